//! A whole OpenTofu plan and apply, of resources that Resource Manager has at once: what is left is OpenTofu, the
//! provider, and az.

use std::cell::Cell;
use std::time::Instant;

use entra::User;

use crate::support::opentofu::{OPENTOFU, Programs};
use crate::support::stack::{Authentication, Stack};
use crate::support::{Sandbox, provision};
use crate::{Bench, FEW, in_turn, ratio, row, sorted};

/// How many resources there are.
const AMOUNT: usize = 130;

impl Bench<'_> {
    pub(crate) fn tofu(&self) {
        let Some(programs) = Programs::made() else {
            let how = "cargo test --test tofu -- --ignored";
            return provision::announce(&format!("MISSING: OpenTofu, which is built by: {how}"));
        };
        let ours = Sandbox::new().with_real_az().with_entra(self.entra);
        crate::install(&ours.shim());
        self.entra.write_az_config(&ours.config_dir(), "entra").unwrap();
        ours.login(self.entra, User::Alice).ok();
        let plain = self.plain_box();
        let bare_path = std::env::join_paths([plain.root().join("real"), "/usr/bin".into(), "/bin".into()]).unwrap();
        let count = Cell::new(0);
        let once = |sandbox: &Sandbox, path: Option<&std::ffi::OsStr>| {
            count.set(count.get() + 1);
            let name = format!("stack-{}", count.get());
            let stack = Stack::new(sandbox, &programs, self.entra, &name, AMOUNT, &Authentication::Cli);
            let stack = path.map_or_else(|| stack.clone(), |path| stack.clone().with("PATH", path));
            let began = Instant::now();
            stack.plan();
            stack.apply();
            began.elapsed()
        };
        eprint!("plan and apply ");
        let times = in_turn(FEW, || (once(&ours, None), once(&plain, Some(&bare_path))));
        eprintln!();
        let (ours, real): (Vec<_>, Vec<_>) = times.into_iter().unzip();
        let (ours, real) = (sorted(ours), sorted(real));
        let what = format!("plan and apply of {AMOUNT} resources, OpenTofu {OPENTOFU}, own provider");
        row(&what, &ours.show(), &format!("the real az {}", real.show()), &ratio(real.median(), ours.median()));
    }
}
