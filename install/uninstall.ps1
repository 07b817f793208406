# Gives everything back on Windows: PATH, and the refresh tokens to the Azure CLI's own cache, sealed as that seals it, so that
# plain az is still logged in. Nothing is removed before it was given back. AZWARD_HOME names another home than .azward in the
# user's profile.
$ErrorActionPreference = 'Stop'

$azwardHome = $env:AZWARD_HOME
if (-not $azwardHome) { $azwardHome = Join-Path $env:USERPROFILE '.azward' }
# What is relative is the same everywhere below.
$azwardHome = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($azwardHome)

$azward = Join-Path $azwardHome 'bin\azward.exe'
if (-not (Test-Path -LiteralPath $azward -PathType Leaf)) {
    [Console]::Error.WriteLine("azward: nothing is installed in ``$azwardHome``")
    [Console]::Error.WriteLine('hint: name the right home in AZWARD_HOME')
    exit 1
}

$env:AZWARD_HOME = $azwardHome
& $azward uninstall
$code = $LASTEXITCODE
# A program cannot remove its own file while it runs: azward moves it here.
Get-ChildItem -LiteralPath $env:TEMP -Filter 'azward-uninstalled-*' | Remove-Item -ErrorAction SilentlyContinue
exit $code
