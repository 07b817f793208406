//! `az version`, `az account show`, `az account list` and `az cloud show`: what azward answers is what the real az says of the
//! same config directory, byte for byte, and what it does not answer is the real az's.

use std::fs;
use std::path::Path;

use entra::{SUBSCRIPTION_1, SUBSCRIPTION_2, TENANT_A, TENANT_B};
use serde_json::{Value, json};

use crate::support::{Invocation, Outcome, Sandbox};

/// Whose word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Azward,
    Az,
}

fn words(line: &str) -> Vec<String> {
    line.replace("{1}", SUBSCRIPTION_1.id).split(' ').map(|word| word.replace('_', " ")).collect()
}

/// Asks both, and asserts that they say the same.
#[track_caller]
fn asked(sandbox: &Sandbox, line: &str, environment: &[(&str, &str)]) -> (Outcome, By) {
    let profile = sandbox.config().path().join("azureProfile.json");
    let before = fs::read(&profile).ok();
    let run = |az: Invocation<'_>| {
        // An az that cannot read it writes another.
        match &before {
            Some(bytes) => fs::write(&profile, bytes).unwrap(),
            None => drop(fs::remove_file(&profile)),
        }
        environment.iter().fold(az, |az, (name, value)| az.env(*name, *value)).run()
    };
    let (ours, deeds) = sandbox.deeds_of(|| run(sandbox.az(words(line))));
    let theirs = run(sandbox.plain_az(words(line)));
    assert_eq!(ours.visible(), theirs.visible(), "{line} {environment:?}");
    (ours, if deeds.contains(&"answer".to_owned()) { By::Azward } else { By::Az })
}

#[track_caller]
fn answered(sandbox: &Sandbox, line: &str) -> Outcome {
    let (outcome, by) = asked(sandbox, line, &[]);
    assert_eq!(by, By::Azward, "{line}");
    outcome.ok().silent()
}

#[track_caller]
fn left_to_az(sandbox: &Sandbox, line: &str, environment: &[(&str, &str)]) -> Outcome {
    let (outcome, by) = asked(sandbox, line, environment);
    assert_eq!(by, By::Az, "{line} {environment:?}");
    outcome
}

fn edit_profile(sandbox: &Sandbox, edit: impl FnOnce(&mut Vec<Value>)) {
    let path = sandbox.config_dir().join("azureProfile.json");
    let text = fs::read_to_string(&path).unwrap();
    let mut profile: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
    edit(profile["subscriptions"].as_array_mut().unwrap());
    fs::write(path, format!("\u{feff}{profile}")).unwrap();
}

#[test]
fn the_forms_of_callers_are_answered() {
    let (sandbox, _entra) = Sandbox::logged_in();
    for line in [
        "version -o=json",
        "version",
        "version --output tsv",
        "version --query \"azure-cli\" -o tsv",
        "version -o table",
        "account show -o=json",
        "account show --output json --subscription {1}",
        "account show -o=json -s Contoso_Development",
        "account show --name CONTOSO_PRODUCTION --query user.name -o tsv",
        "account show --query id --out tsv",
        "account show --query {id:id,\"tenant\":tenantId,who:user} -o json",
        "account show -o tsv",
        "account show -o table",
        "account show -o yaml",
        "account show --query nothing",
        "account list -o=json",
        "account list --all --output json",
        "account list --output table",
        "account list --query [?isDefault].id_|_[0] -o tsv",
        "account list --query [].{n:name,id:id} -o table",
        "account list --query [0] -o table",
        "account list --query [].[name,state,isDefault] -o tsv",
        "account list -o tsv",
        "account list -o none",
        "cloud show",
        "cloud show -o tsv",
        "cloud show -n AzureCloud --query endpoints.resourceManager -o tsv",
        "cloud show --name AzureChinaCloud -o yaml",
        "cloud show -n AzureUSGovernment",
        "cloud show -n AzureBleuCloud -o table",
    ] {
        answered(&sandbox, line);
    }
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn what_only_az_can_say_it_says() {
    let (sandbox, _entra) = Sandbox::logged_in();
    for (line, code) in [
        ("version --query keys(@)", 0),
        ("version --only-show", 0),
        ("account show -s nope", 1),
        ("account show -o xml", 2),
        ("account show --query [", 2),
        ("account show --query length(id)", 0),
        ("account list --query [?name].x_|_[0:1]", 0),
        ("cloud show -n nope", 1),
        ("cloud show -n azurecloud", 1),
    ] {
        left_to_az(&sandbox, line, &[]).exited(code);
    }
    for (line, variable) in [
        ("account show", ("AZURE_CORE_OUTPUT", "nonsense")),
        ("account show", ("AZURE_CLIENTS_SHOW_SECRETS_WARNING", "yes")),
        ("account show", ("AZURE_LOGGING_ENABLE_LOG_FILE", "yes")),
        ("account show", ("AZURE_CORE_ONLY_SHOW_ERRORS", "perhaps")),
        ("account show", ("AZURE_CORE_USE_COMMAND_INDEX", "no")),
        ("version", ("AZURE_EXTENSION_DEV_SOURCES", "/nonexistent")),
    ] {
        left_to_az(&sandbox, line, &[variable]);
    }
    let (outcome, by) =
        asked(&sandbox, "account show", &[("AZURE_CORE_OUTPUT", "TSV"), ("AZURE_DEFAULTS_SUBSCRIPTION", "x")]);
    assert_eq!((by, outcome.out().lines().count()), (By::Azward, 1));
    // Of another cloud there is no account.
    left_to_az(&sandbox, "account show", &[("AZURE_CLOUD_NAME", "AzureCloud")]).exited(1);
    assert_eq!(asked(&sandbox, "cloud show", &[("AZURE_CLOUD_NAME", "AzureCloud")]).1, By::Azward);
    // It makes another the active one, and says so.
    let path = sandbox.config_dir().join("config");
    let config = fs::read(&path).unwrap();
    let nowhere = |az: Invocation<'_>| {
        fs::write(&path, &config).unwrap();
        az.env("AZURE_CLOUD_NAME", "nowhere").run().exited(1).visible()
    };
    assert_eq!(nowhere(sandbox.az(["account", "show"])), nowhere(sandbox.plain_az(["account", "show"])));
}

#[test]
fn odd_profiles_are_shown_as_az_shows_them() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let path = sandbox.config_dir().join("azureProfile.json");
    let whole = fs::read_to_string(&path).unwrap();
    let all = |by: &[By; 3]| {
        for (line, by) in ["account show", "account list", "account list --all -o tsv"].iter().zip(by) {
            assert_eq!(asked(&sandbox, line, &[]).1, *by, "{line}");
        }
        fs::write(&path, &whole).unwrap();
    };
    use By::{Az, Azward};
    edit_profile(&sandbox, |accounts| {
        accounts[0]["name"] = json!("Zoë \"q\" \\ 漢\u{1F511}\u{7f}\u{1}");
        accounts[0]["tomorrow"] = json!({"für": ["ü", {}, null, 12, true]});
        accounts[1]["managedByTenants"] = json!([{"tenantId": TENANT_B.id}]);
    });
    all(&[Azward; 3]);
    // Accounts of a tenant, a service principal, managed identities.
    edit_profile(&sandbox, |accounts| {
        let tenant = json!({"id": TENANT_A.id, "name": "N/A(tenant level account)", "state": "Enabled", "isDefault": true,
            "user": {"name": "systemAssignedIdentity", "type": "servicePrincipal", "assignedIdentityInfo": "MSI"},
            "tenantId": TENANT_A.id, "environmentName": accounts[0]["environmentName"].clone()});
        accounts.iter_mut().for_each(|account| account["isDefault"] = json!(false));
        accounts[1]["user"] = json!({"name": "app", "type": "servicePrincipal", "useCertSNIssuerAuth": true});
        accounts.push(tenant);
    });
    all(&[Azward; 3]);
    edit_profile(&sandbox, |accounts| accounts[1]["state"] = json!("Disabled"));
    all(&[Azward, Az, Azward]);
    edit_profile(&sandbox, |accounts| accounts[1]["environmentName"] = json!("AzureChinaCloud"));
    all(&[Azward; 3]);
    edit_profile(&sandbox, |accounts| accounts.iter_mut().for_each(|account| account["isDefault"] = json!(false)));
    all(&[Az, Azward, Azward]);
    edit_profile(&sandbox, |accounts| accounts.iter_mut().for_each(|account| account["isDefault"] = json!(true)));
    all(&[Az, Azward, Azward]);
    edit_profile(&sandbox, |accounts| drop(accounts[2].as_object_mut().unwrap().remove("environmentName")));
    all(&[Az; 3]);
    edit_profile(&sandbox, |accounts| accounts[0]["id"] = json!("/subscriptions/x/resourceGroups/g/a/b/c/d"));
    all(&[Az; 3]);
    edit_profile(&sandbox, Vec::clear);
    all(&[Az; 3]);
    for torn in
        ["", "{", "[]", "{\"subscriptions\": null}", &whole[..whole.len() / 2], &whole.replacen("true", "NaN", 1)]
    {
        fs::write(&path, torn).unwrap();
        all(&[Az; 3]);
    }
    fs::remove_file(&path).unwrap();
    all(&[Az; 3]);
}

#[test]
fn two_of_one_name_are_az_s_to_complain_about() {
    let (sandbox, _entra) = Sandbox::logged_in();
    edit_profile(&sandbox, |accounts| accounts[2]["name"] = json!(SUBSCRIPTION_2.name));
    left_to_az(&sandbox, "account show -s Contoso_Development", &[]).exited(1);
    answered(&sandbox, "account show -s {1}");
}

#[test]
fn what_is_not_ascii_is_printed_in_the_encoding_of_the_locale() {
    let (sandbox, _entra) = Sandbox::logged_in();
    edit_profile(&sandbox, |accounts| accounts[0]["name"] = json!("Zoë"));
    for (locale, by) in
        [("C", By::Azward), ("C.UTF-8", By::Azward), ("POSIX", By::Azward), ("de_DE.ISO-8859-1", By::Az)]
    {
        assert_eq!(asked(&sandbox, "account list -o tsv", &[("LC_ALL", locale)]).1, by, "{locale}");
    }
    left_to_az(&sandbox, "account list -o tsv", &[("PYTHONIOENCODING", "latin1:replace")]);
    left_to_az(&sandbox, "account list -o table", &[]);
}

#[test]
fn clouds_are_shown_with_what_is_registered_over_them() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let path = sandbox.config_dir().join("clouds.config");
    let text = fs::read_to_string(&path).unwrap();
    let more = "\n[AzureCloud]\nendpoint_gallery = https://g.example/\nsuffix_new_thing_1 = .x\nsubscription = s\nendpoint_empty =\n\
        \n[Half]\nendpoint_resource_manager = https://r.example/\nendpoint_active_directory = https://a.example\n";
    fs::write(&path, text.clone() + more).unwrap();
    answered(&sandbox, "cloud show -n AzureCloud");
    answered(&sandbox, "cloud show -n Half");
    answered(&sandbox, "cloud show -n Half --query endpoints.management");
    answered(&sandbox, "account show");
    // It is the active one, and lacks what az looks for before it shows an account.
    left_to_az(&sandbox, "account show", &[("AZURE_CLOUD_NAME", "Half")]).exited(1);
    for odd in ["\n[AzureCloud]\nprofile = 2019-03-01-hybrid\n", "\n[Odd]\nendpoint_x_endpoint_y = z\n", "\nnonsense\n"]
    {
        fs::write(&path, text.clone() + odd).unwrap();
        let (ours, theirs) =
            (sandbox.az(words("cloud show -n Odd")).run(), sandbox.plain_az(words("cloud show -n Odd")).run());
        assert_eq!(
            (ours.end(), ours.out(), ours.last_err_line()),
            (theirs.end(), theirs.out(), theirs.last_err_line())
        );
    }
}

/// Puts an extension there, with a description of its own.
fn add_extension(extensions: &Path, name: &str, metadata: &str) {
    let module = name.replace('-', "_");
    let description = extensions.join(name).join(format!("{module}-1.0.dist-info"));
    let code = extensions.join(name).join(format!("azext_{module}"));
    fs::create_dir_all(&description).unwrap();
    fs::create_dir_all(&code).unwrap();
    fs::write(description.join("METADATA"), metadata).unwrap();
    fs::write(code.join("azext_metadata.json"), "{\"azext.minCliCoreVersion\": \"2.0.0\"}").unwrap();
    let source = "from azure.cli.core import AzCommandsLoader\n\
        class Loader(AzCommandsLoader):\n    pass\n\
        COMMAND_LOADER_CLS = Loader\n";
    fs::write(code.join("__init__.py"), source).unwrap();
}

#[test]
fn extensions_are_named_as_az_names_them() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let extensions = sandbox.config_dir().join("cliextensions");
    let metadata =
        |name: &str, version: &str| format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: none\n");
    add_extension(&extensions, "one-thing", &metadata("one-thing", "1.0.2b1"));
    add_extension(&extensions, "another", &metadata("another", "0.9.1"));
    fs::create_dir(extensions.join("no-extension")).unwrap();
    fs::write(extensions.join("a-file"), "").unwrap();
    // Until az has made an index it loads them all.
    left_to_az(&sandbox, "account show", &[]);
    let version = answered(&sandbox, "version").json();
    assert_eq!(version["extensions"], json!({"another": "0.9.1", "one-thing": "1.0.2b1"}));
    answered(&sandbox, "version -o tsv");
    answered(&sandbox, "version --query extensions -o yaml");
    answered(&sandbox, "account show");
    let elsewhere = sandbox.root().join("elsewhere");
    add_extension(&elsewhere, "third", &metadata("third", "3"));
    let (outcome, by) = asked(&sandbox, "version -o json", &[("AZURE_EXTENSION_DIR", elsewhere.to_str().unwrap())]);
    assert_eq!((&outcome.json()["extensions"], by), (&json!({"third": "3"}), By::Azward));
    // Odd ones.
    for odd in [metadata("other", "1"), metadata("odd", "1").replace("2.1", "9.9"), "Name: odd\n".to_owned()] {
        add_extension(&extensions, "odd", &odd);
        left_to_az(&sandbox, "version", &[]);
    }
}

#[test]
fn an_az_that_is_not_known_answers_for_itself() {
    let (sandbox, _entra) = Sandbox::logged_in();
    answered(&sandbox, "account show");
    let other = sandbox.root().join("other");
    fs::create_dir(&other).unwrap();
    sandbox.make_script(&other.join("az"), "echo '{}'");
    let path = [sandbox.root().join("bin"), other, "/usr/bin".into(), "/bin".into()];
    sandbox.set_env("PATH", std::env::join_paths(path).unwrap());
    for line in ["account show", "account list", "version", "cloud show"] {
        let (outcome, deeds) = sandbox.deeds_of(|| sandbox.az(words(line)).run().ok().silent());
        assert_eq!((outcome.out().as_str(), deeds.len()), ("{}\n", 0), "{line}");
    }
}
