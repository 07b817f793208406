//! azward in the place of older releases of az, each against that very release: whatever is answered is in its bytes, whatever
//! it refuses it refuses itself, and what is asked of the endpoint is what it would ask. `cargo test` has the newest and the
//! last one before `expires_on`; `.ci/run` has them all.

use std::fs;

use entra::{Entra, Fault, Refusal, Rolling, SUBSCRIPTION_2, SUBSCRIPTION_3, TENANT_A, TENANT_B, User};

use crate::support::canary::Search;
use crate::support::native::assert_same;
use crate::support::{ConfigDir, End, Invocation, Outcome, Sandbox, releases};

const TOKEN: [&str; 2] = ["account", "get-access-token"];
const VAULT: &str = "https://vault.azure.net";

#[test]
fn az_2_91_0() {
    stands_in_for(releases::NEWEST);
}

#[test]
fn az_2_53_0() {
    stands_in_for("2.53.0");
}

#[test]
#[ignore = "one of the releases that .ci/run has"]
fn az_2_30_0() {
    stands_in_for("2.30.0");
}

#[test]
#[ignore = "one of the releases that .ci/run has"]
fn az_2_45_0() {
    stands_in_for("2.45.0");
}

#[test]
#[ignore = "one of the releases that .ci/run has"]
fn az_2_60_0() {
    stands_in_for("2.60.0");
}

#[test]
#[ignore = "one of the releases that .ci/run has"]
fn az_2_75_0() {
    stands_in_for("2.75.0");
}

/// One release, alone and behind the shim.
struct Release {
    version: (u32, u32),
    sandbox: Sandbox,
    entra: Entra,
    /// A copy of the config directory with its refresh token, for the az that is alone.
    twin: ConfigDir,
}

/// What is to become of a form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum By {
    Azward,
    /// az, which may end with this.
    Az(i32),
    /// Either, as long as it is the same.
    Either,
}

fn stands_in_for(version: &str) {
    let release = Release::install(version);
    release.earns_its_answers(version);
    release.says_the_same_in_every_form();
    release.says_the_same_of_accounts();
    release.asks_for_the_same_token();
    release.is_not_answered_for_where_it_encrypts();
    release.is_refused_in_the_same_words();
    release.is_logged_out_in_the_same_words();
    release.sandbox.assert_nothing_in_the_clear();
}

impl Release {
    fn install(version: &str) -> Self {
        let sandbox = Sandbox::new().with_az(releases::az_of(version));
        let entra = sandbox.start_entra(|knobs| knobs.rolling = Rolling::Entra);
        // An older one asks Microsoft whether the authority is one.
        sandbox.set_env("HTTPS_PROXY", entra.start_proxy().unwrap());
        sandbox.plain_login(&entra, User::Alice);
        let twin = sandbox.config().copy_to(sandbox.root().join("twin"));
        sandbox.expect_clear(twin.path());
        let mut numbers = version.split('.').map(|part| part.parse().unwrap());
        let version = (numbers.next().unwrap(), numbers.next().unwrap());
        Self { version, sandbox, entra, twin }
    }

    /// What it says and what is written down of it, and that the release alone says the same.
    #[track_caller]
    fn asked(&self, words: &[&str]) -> (Outcome, Vec<String>) {
        let (ours, deeds) = self.sandbox.deeds_of(|| self.sandbox.az(words).run());
        assert_same(&ours, &self.sandbox.plain_az(words).run());
        (ours, deeds)
    }

    fn earns_its_answers(&self, version: &str) {
        let status = || self.sandbox.azward(["status"]).run().out();
        assert!(status().contains(&format!(", version {version}\n")), "{}", status());
        let (first, deeds) = self.asked(&TOKEN);
        first.ok().silent();
        assert!(deeds.contains(&"run".to_owned()) && !deeds.contains(&"answer".to_owned()), "{deeds:?}");
        assert!(status().contains("found to say the same"), "{}", status());
        let (second, deeds) = self.asked(&TOKEN);
        second.ok().silent();
        assert_eq!(deeds, ["answer"]);
    }

    fn says_the_same_in_every_form(&self) {
        let has_name = if self.version >= (2, 32) { By::Azward } else { By::Az(2) };
        let has_expires_on = if self.version >= (2, 54) { By::Azward } else { By::Az(0) };
        for (options, by) in [
            (&["-o", "json"][..], By::Azward),
            (&["-o", "tsv"], By::Azward),
            (&["--output=none"], By::Azward),
            (&["-o", "table"], By::Either),
            (&["-o", "yaml"], By::Either),
            (&["--query", "accessToken", "-o", "tsv"], By::Azward),
            (&["--query", "accessToken", "--output", "json"], By::Azward),
            (&["--query", "expiresOn", "-o", "tsv"], By::Azward),
            (&["--query", "expiresOn"], By::Azward),
            (&["--query", "expires_on", "-o", "tsv"], has_expires_on),
            (&["--query", "expires_on"], has_expires_on),
            (&["--query", "[expiresOn, tenant]", "-o", "tsv"], By::Either),
            (&["--query", "{a: accessToken, b: expires_on}", "-o", "json"], By::Either),
            (&["-o", "json", "--resource", VAULT, "--tenant", TENANT_B.id], By::Azward),
            (&["--scope", "https://vault.azure.net/.default", "-t", TENANT_A.id, "-o=tsv"], By::Azward),
            (&["--resource-type", "ms-graph", "--subscription", SUBSCRIPTION_2.id], By::Azward),
            (&["-s", SUBSCRIPTION_3.name], By::Azward),
            (&["-n", SUBSCRIPTION_3.name], has_name),
            (&["--name", SUBSCRIPTION_3.name, "-o", "tsv"], has_name),
            (&["-o", "xml"], By::Az(2)),
            (&["--tenant", TENANT_A.id, "--subscription", SUBSCRIPTION_2.id], By::Az(1)),
            (&["--subscription", "No Such Thing"], By::Az(1)),
        ] {
            let (outcome, deeds) = self.asked(&[&TOKEN[..], options].concat());
            let is_answered = deeds.contains(&"answer".to_owned());
            match by {
                By::Azward => drop(outcome.ok().silent()),
                By::Az(code) => drop(outcome.exited(code)),
                By::Either => drop(outcome.ok()),
            }
            assert!(by == By::Either || is_answered == (by == By::Azward), "{options:?}: {deeds:?}");
        }
        let columns = self.sandbox.az(TOKEN).args(["-o", "tsv"]).run().ok().out().split('\t').count();
        assert_eq!(columns, if self.version >= (2, 54) { 6 } else { 5 });
    }

    fn says_the_same_of_accounts(&self) {
        for (words, code) in [
            (&["account", "show"][..], 0),
            (&["account", "show", "-o", "tsv"], 0),
            (&["account", "show", "-o", "table"], 0),
            (&["account", "show", "-o", "none"], 0),
            (&["account", "show", "--query", "user.name", "-o", "tsv"], 0),
            (&["account", "show", "-s", SUBSCRIPTION_3.name, "-o=json"], 0),
            (&["account", "show", "-n", SUBSCRIPTION_3.name], if self.version >= (2, 32) { 0 } else { 2 }),
            (&["account", "show", "-s", "nope"], 1),
            (&["account", "list", "-o", "json"], 0),
            (&["account", "list", "--query", "[].name", "-o", "tsv"], 0),
            (&["cloud", "show", "--query", "endpoints.resourceManager"], 0),
        ] {
            let (outcome, _) = self.asked(words);
            outcome.exited(code);
        }
    }

    /// Of a token that is due, and of one that has expired.
    fn asks_for_the_same_token(&self) {
        let declared = || {
            let requests = self.entra.journal();
            let refreshes: Vec<_> =
                requests.iter().filter(|r| r.grant_type.as_deref() == Some("refresh_token")).collect();
            assert_eq!(refreshes.len(), 1, "{requests:?}");
            refreshes[0].has_claims
        };
        for seconds_left in [600, -60] {
            self.sandbox.config().age_access_tokens(seconds_left, "management");
            self.entra.clear_journal();
            let (outcome, deeds) = self.sandbox.deeds_of(|| self.sandbox.az(TOKEN).run().ok().silent());
            assert_eq!(
                (&deeds[..], declared()),
                (&["rotation".to_owned(), "answer".to_owned()][..], self.version >= (2, 41))
            );
            assert_same(&outcome, &self.sandbox.plain_az(TOKEN).run());
        }
        // As this release does.
        self.twin.age_access_tokens(-60, "management");
        self.entra.clear_journal();
        self.alone(&TOKEN).ok();
        assert_eq!(declared(), self.version >= (2, 41));
    }

    fn is_refused_in_the_same_words(&self) {
        let both = [self.sandbox.config(), self.twin.clone()];
        for config in &both {
            config.age_access_tokens(-60, "management");
        }
        for refusal in [Refusal::Expired, Refusal::MfaRequired] {
            self.entra.knobs(|knobs| knobs.faults = vec![Fault::refuse(refusal)]);
            for config in &both {
                // MSAL answers a request that was refused a moment ago out of this file.
                let _ = fs::remove_file(config.path().join("msal_http_cache.bin"));
            }
            let ours = self.sandbox.az(TOKEN).run().exited(1);
            assert!(ours.err().contains("AADSTS"), "{ours:?}");
            assert_same(&ours, &self.alone(&TOKEN));
        }
        self.sandbox.assert_nothing_in_the_clear();
        // Nor where it was alone, once azward has seen it; some keep the request that was refused.
        let kept = self.sandbox.config().path().join("msal_http_cache.bin");
        let keeps = Search::below(self.twin.path(), &[]).found.contains(&self.twin.path().join("msal_http_cache.bin"));
        assert_eq!(keeps, ((2, 45)..=(2, 60)).contains(&self.version));
        fs::copy(self.twin.path().join("msal_http_cache.bin"), &kept).unwrap_or_default();
        self.sandbox.az(["account", "list", "--refresh"]).run();
        self.sandbox.assert_nothing_in_the_clear();
        self.entra.knobs(|knobs| knobs.faults.clear());
    }

    /// It is told so by a name that changed once; the other one is none to it, in its `config` or in the environment. What its `config`
    /// says azward says otherwise, by the name that it knows; what a variable says holds.
    fn is_not_answered_for_where_it_encrypts(&self) {
        let (before, since) = ("token_encryption", "encrypt_token_cache");
        let (read, unread) = if self.version >= (2, 31) { (since, before) } else { (before, since) };
        let config = self.sandbox.config_dir().join("config");
        let text = fs::read_to_string(&config).unwrap();
        let set = |lines: &str| fs::write(&config, text.replace("[core]\n", &format!("[core]\n{lines}"))).unwrap();
        let variable = |option: &str| format!("AZURE_CORE_{}", option.to_uppercase());
        let ask = |variables: &[(&str, &str)]| {
            let with = |az: Invocation<'_>| {
                variables.iter().fold(az, |az, (option, value)| az.env(variable(option), *value)).run()
            };
            let (ours, deeds) = self.sandbox.deeds_of(|| with(self.sandbox.az(TOKEN)));
            (ours, with(self.sandbox.plain_az(TOKEN)), deeds.contains(&"answer".to_owned()))
        };
        for (lines, variables, reads_the_file) in [
            (format!("{read} = true\n"), &[][..], true),
            (format!("{unread} = true\n"), &[], true),
            (format!("{unread} = false\n"), &[], true),
            (String::new(), &[(unread, "true")], true),
            (format!("{unread} = true\n{read} = false\n"), &[], true),
            (format!("{read} = true\n"), &[(read, "false")], true),
            (format!("{unread} = false\n{read} = true\n"), &[(unread, "false")], true),
            (format!("{read} = false\n"), &[(read, "true")], false),
        ] {
            set(&lines);
            let (ours, bare, is_answered) = ask(variables);
            assert_eq!(is_answered, reads_the_file, "{lines}{ours:?}{bare:?}");
            let is_told = lines.contains(&format!("{read} = true")) && !variables.iter().any(|(name, _)| *name == read);
            assert_eq!(bare.end() == End::Code(0), reads_the_file && !is_told, "{lines}{bare:?}");
            if reads_the_file {
                match is_told {
                    // An answer is none of az's; so does a run of its.
                    true => drop(self.sandbox.az(TOKEN).args(["--output", "yamlc"]).run().ok()),
                    false => assert_same(&ours, &bare),
                }
                continue;
            }
            // Without PyGObject it fails, in its own words, after which azward says what it has to do with it.
            assert_eq!((ours.end(), ours.out()), (bare.end(), bare.out()), "{lines}{ours:?}");
            assert!(ours.err().starts_with(&bare.err()), "{lines}{ours:?}{bare:?}");
        }
        set("");
    }

    fn is_logged_out_in_the_same_words(&self) {
        self.sandbox.az(["logout"]).run().ok();
        for words in [&TOKEN[..], &["account", "show"], &["group", "list"]] {
            let (outcome, deeds) = self.asked(words);
            assert!(outcome.end() != End::Code(0) && !deeds.contains(&"answer".to_owned()), "{outcome:?}");
        }
    }

    /// The release with a login of its own.
    fn alone(&self, words: &[&str]) -> Outcome {
        self.sandbox.plain_az(words).env("AZURE_CONFIG_DIR", self.twin.path()).run()
    }
}
