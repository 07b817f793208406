//! The kept token of who is no person, beside the real az: a service principal's, of which az has a cache, and a managed identity's, which
//! az asks the machine for each time.

use entra::{SERVICE_PRINCIPAL, TENANT_A};

use crate::support::Sandbox;
use crate::{Bench, FEW, MANY, in_turn, ratio, row, sorted, time};

impl Bench<'_> {
    pub(crate) fn principals(&self) {
        let secret = self.entra.client_secret();
        let principal = ["--service-principal", "--username", SERVICE_PRINCIPAL.client_id, "--tenant", TENANT_A.id];
        let sign_in = [&principal[..], &["--password", secret]].concat();
        self.kept_token("a valid token of a service principal", &self.signed_in(&sign_in));
        let instance = self.entra.start_instance().unwrap();
        let sandbox = self.signed_in_on(&["--identity"], instance.of_virtual_machine());
        self.kept_token("a valid token of a managed identity", &sandbox);
    }

    fn signed_in(&self, sign_in: &[&str]) -> Sandbox {
        self.signed_in_on(sign_in, Vec::new())
    }

    /// A box in which somebody signs in so, in this environment, and the first token has shown that azward says what az says.
    fn signed_in_on(&self, sign_in: &[&str], environment: Vec<(&'static str, String)>) -> Sandbox {
        let sandbox = Sandbox::new().with_real_az().with_entra(self.entra);
        crate::install(&sandbox.shim());
        self.entra.write_az_config(&sandbox.config_dir(), "entra").unwrap();
        for (name, value) in environment {
            sandbox.set_env(name, value);
        }
        sandbox.az(["login"]).args(sign_in).run().ok();
        sandbox.az(["account", "get-access-token"]).run().ok();
        sandbox
    }

    /// Both in turn, so that what the machine does meanwhile, it does to both.
    fn kept_token(&self, what: &str, sandbox: &Sandbox) {
        let arguments = ["account", "get-access-token", "-o", "json"];
        let before = sandbox.deeds("run");
        eprint!("{what} ");
        let each = MANY / FEW;
        let times = in_turn(FEW, || {
            let real = time(what, sandbox.plain_az(arguments).command());
            let ours: Vec<_> = (0..each).map(|_| time(what, sandbox.az(arguments).command())).collect();
            (ours, real)
        });
        eprintln!();
        assert_eq!(sandbox.deeds("run"), before, "{what}: all were answered");
        let (ours, real): (Vec<_>, Vec<_>) = times.into_iter().unzip();
        let (ours, real) = (sorted(ours.concat()), sorted(real));
        row(what, &ours.show(), &format!("the real az {}", real.show()), &ratio(real.median(), ours.median()));
    }
}
