//! An az that encrypts: the real one with what it needs for that (PyGObject and libsecret's typelib, of the system's), and one in
//! which that is the default, as azure-cli#33849 has it: the libraries of the real one, but for the two files that change.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::invocation::Invocation;
use super::provision;
use super::sandbox::Sandbox;

/// The system's PyGObject.
const GI: &str = "/usr/lib/python3/dist-packages/gi";

/// Says of the Python that has it whether it can use libsecret.
const CHECK: &str = "import gi; gi.require_version('Secret', '1'); from gi.repository import Secret";

impl Sandbox {
    /// Lets the az behind the shim reach a keyring, where this system has what that takes; says whether it has.
    pub(crate) fn with_libsecret(&self) -> bool {
        let Some(path) = python_path() else { return false };
        self.set_env("PYTHONPATH", path);
        true
    }

    /// What an item in the keyring has that az finds by these attributes, asked for as az does; nothing where there is none.
    pub(crate) fn keyring_item(&self, schema: &str, attributes: &[(&str, &str)]) -> Option<String> {
        let script = format!(
            "{}\ntext = Secret.password_lookup_sync(schema, attributes, None)\nprint(text, end='') if text else exit(3)",
            script_with(schema, attributes)
        );
        let python = provision::real_az().with_file_name("python3");
        // Past the search of what programs say: this one is to say it.
        let output = Invocation::new(self, python).args(["-c", &script]).command().output().expect("Python starts");
        let text = String::from_utf8(output.stdout).expect("it is text");
        assert!(matches!(output.status.code(), Some(0 | 3)), "{}", String::from_utf8_lossy(&output.stderr));
        output.status.success().then_some(text)
    }

    /// Has the item with these attributes have `text`, as az writes it; with none there is no item.
    pub(crate) fn put_keyring_item(&self, schema: &str, attributes: &[(&str, &str)], text: &str) {
        let script = format!(
            "{}\nimport sys\ntext = sys.stdin.read()\nif text: Secret.password_store_sync(schema, attributes, \
             Secret.COLLECTION_DEFAULT, '', text, None)\nelse: Secret.password_clear_sync(schema, attributes, None)",
            script_with(schema, attributes)
        );
        let python = provision::real_az().with_file_name("python3");
        Invocation::new(self, python).args(["-c", &script]).input(text).run().ok();
    }

    /// From now on the az behind the shim is the real one with encryption by default.
    pub(crate) fn wrap_encrypting_az(&self) {
        let real = provision::real_az();
        let venv = real.parent().and_then(Path::parent).expect("it is in a virtual environment");
        let new = self.root().join("encrypting");
        mirror(venv, &new, Path::new(""));
        let python = new.join("bin/python3");
        let script = new.join("bin/az");
        std::fs::remove_file(&script).expect("it is a link");
        self.make_script(&script, &format!("AZ_INSTALLER=PIP exec '{}' -m azure.cli \"$@\"", python.display()));
        std::fs::remove_file(self.wrapped_az()).expect("it is a link");
        symlink(&script, self.wrapped_az()).expect("the box can be written");
    }
}

/// The beginning of a script for an item with these attributes.
fn script_with(schema: &str, attributes: &[(&str, &str)]) -> String {
    let quoted = attributes.iter().map(|(name, value)| format!("'{name}': '{value}'")).collect::<Vec<_>>().join(", ");
    format!(
        "{CHECK}\nattributes = {{{quoted}}}\nkinds = {{name: Secret.SchemaAttributeType.STRING for name in attributes}}\n\
         schema = Secret.Schema.new('{schema}', Secret.SchemaFlags.NONE, kinds)"
    )
}

/// The files that change, and how.
const CHANGES: [(&str, &[(&str, &str)]); 2] = [
    ("azure/cli/core/util.py", &[("fallback = sys.platform.startswith('win32')", "fallback = True")]),
    (
        "azure/cli/core/auth/persistence.py",
        &[
            ("{True: '.bin', False: '.json'}", "{True: '.sig', False: '.json'}"),
            ("\"my_schema_name\"", "\"Microsoft Azure CLI\""),
            (
                "\"my_attr1\": \"foo\", \"my_attr2\": \"bar\"",
                "\"type\": \"Token cache\" if 'msal_token_cache' in location else \"Secret store\"",
            ),
        ],
    ),
];

/// Makes `to` the same as `from`, by links wherever nothing below changes.
fn mirror(from: &Path, to: &Path, below: &Path) {
    std::fs::create_dir(to).expect("it is new");
    for entry in from.read_dir().expect("it is there").flatten() {
        let name = below.join(entry.file_name());
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let packages = |path: &Path| {
            let parts: Vec<_> = path.iter().collect();
            let at = parts.iter().position(|part| *part == "site-packages")?;
            Some(parts[at + 1..].iter().collect::<PathBuf>())
        };
        let inside = packages(&name);
        let change = inside.as_ref().and_then(|inside| CHANGES.iter().find(|(path, _)| Path::new(path) == inside));
        let is_above = match &inside {
            Some(inside) => CHANGES.iter().any(|(path, _)| Path::new(path).starts_with(inside)),
            // What leads to the libraries, and where the programs are.
            None => entry.file_type().is_ok_and(|kind| kind.is_dir()) && entry.file_name() != "include",
        };
        if let Some((_, changes)) = change {
            let mut text = std::fs::read_to_string(&from).expect("it is text");
            for (old, new) in *changes {
                assert!(text.contains(old), "`{}` has no `{old}`", from.display());
                text = text.replace(old, new);
            }
            std::fs::write(&to, text).expect("the box can be written");
        } else if is_above {
            mirror(&from, &to, &name);
        // What was compiled of the others is theirs.
        } else if !(entry.file_name() == "__pycache__" && inside.is_some()) {
            symlink(std::fs::read_link(&from).unwrap_or(from), &to).expect("the box can be written");
        }
    }
}

/// The directory from which the az of the tests imports PyGObject; `None` where it cannot.
fn python_path() -> Option<PathBuf> {
    static PATH: OnceLock<Option<PathBuf>> = OnceLock::new();
    PATH.get_or_init(|| {
        let directory = provision::cache_dir().join("pygobject");
        let python = provision::real_az().with_file_name("python3");
        let is_usable = || {
            let check = Command::new(&python).args(["-c", CHECK]).env("PYTHONPATH", &directory).output();
            check.is_ok_and(|output| output.status.success())
        };
        std::fs::create_dir_all(&directory).expect("the cache can be written");
        // Alone: beside it are libraries that would come before az's own. Another test may be as quick.
        let _ = symlink(GI, directory.join("gi"));
        if !is_usable() && rustix::process::geteuid().is_root() && Path::new("/usr/bin/apt-get").exists() {
            let stamp = provision::cache_dir().join("libsecret");
            provision::make_once(
                &stamp,
                "tried",
                |stamp| is_usable() || provision::has_stamp(stamp, "tried"),
                |stamp| {
                    provision::announce(
                        "installing PyGObject and libsecret's typelib with apt-get for the tests of encryption",
                    );
                    let script =
                        "apt-get -q update; apt-get -q -y install --no-install-recommends python3-gi gir1.2-secret-1";
                    let _ = Command::new("sh").args(["-c", script]).env("DEBIAN_FRONTEND", "noninteractive").output();
                    std::fs::create_dir_all(stamp).expect("the cache can be written");
                },
            );
        }
        let usable = is_usable();
        if !usable {
            provision::announce(
                "MISSING: no az here reaches a keyring: python3-gi and gir1.2-secret-1 for az's own Python",
            );
        }
        usable.then_some(directory)
    })
    .clone()
}
