# Installs azward for this user on Windows, without an administrator: builds it if need be, then lets `azward install` do the
# rest (programs into $AZWARD_HOME\bin, real az pinned, the user's PATH in the registry, adoption of the login that is there).
# Run twice it changes nothing.
#
#   install\install.ps1 [-NoModifyPath]
#
# AZWARD_HOME names another home than .azward in the user's profile; AZWARD_BUILD a directory with programs that are built
# already. Where a script may not be run: powershell -ExecutionPolicy Bypass -File install\install.ps1
param([switch]$NoModifyPath)

$ErrorActionPreference = 'Stop'
$root = Split-Path -Parent $PSScriptRoot

$build = $env:AZWARD_BUILD
if (-not $build) {
    if (-not (Get-Command cargo -ErrorAction SilentlyContinue)) {
        [Console]::Error.WriteLine('azward: there is no cargo to build it with')
        [Console]::Error.WriteLine('hint: install Rust, or name a directory with built programs in AZWARD_BUILD')
        exit 1
    }
    Write-Output 'building azward (a few minutes the first time)'
    $manifest = Join-Path $root 'Cargo.toml'
    & cargo build --profile installed --quiet --locked --manifest-path $manifest --bin az --bin azward --bin azward-inside
    if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
    $target = if ($env:CARGO_TARGET_DIR) { $env:CARGO_TARGET_DIR } else { Join-Path $root 'target' }
    $build = Join-Path $target 'installed'
}

$arguments = @('install')
if ($NoModifyPath) { $arguments += '--no-modify-path' }
& (Join-Path $build 'azward.exe') @arguments
exit $LASTEXITCODE
