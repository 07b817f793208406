//! Who is in the crowd: the commands, how often each is started, and what it needs.

use std::time::Duration;

use entra::{SUBSCRIPTION_1, SUBSCRIPTION_2, TENANT_B, User};

use crate::support::chance::Chance;
use crate::support::{BY_AZ, BY_AZWARD, Invocation, Sandbox};
use crate::upheaval;

/// How many scopes the natively answered commands ask for: each is due again after two seconds.
const SCOPES: u64 = 24;

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deed {
    /// alice's token for Resource Manager.
    Answer,
    /// The same of whoever the default subscription belongs to.
    DefaultAnswer,
    /// alice's token for one of a few scopes.
    Rotation,
    /// The same in the other tenant, for whoever is the default user.
    TenantRotation,
    /// A command that needs a token, alice's.
    List,
    /// The real az gets alice's token for a scope that nobody has asked for.
    NewScope,
    Login,
    Logout,
    SetDefault,
    PlainList,
    PlainNewScope,
    PlainSetDefault,
    PlainLogin,
    /// A command that needs no secret: the shim sweeps and becomes the real az.
    Version,
    Install,
    Uninstall,
}

/// One command of the crowd.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) deed: Deed,
    number: u64,
}

impl Deed {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::DefaultAnswer => "answer, default subscription",
            Self::Rotation => "answer, one of a few scopes",
            Self::TenantRotation => "answer, other tenant",
            Self::List => "run, `group list`",
            Self::NewScope => "run, a new scope",
            Self::Login => "login of a second user",
            Self::Logout => "logout of the second user",
            Self::SetDefault => "`account set`",
            Self::PlainList => "plain az, `group list`",
            Self::PlainNewScope => "plain az, a new scope",
            Self::PlainSetDefault => "plain az, `account set`",
            Self::PlainLogin => "plain az, login of the second user",
            Self::Version => "`version`",
            Self::Install => "install",
            Self::Uninstall => "uninstall",
        }
    }

    /// azward has the answer, in general without an az.
    pub(crate) fn is_native(self) -> bool {
        matches!(self, Self::Answer | Self::DefaultAnswer | Self::Rotation | Self::TenantRotation)
    }

    pub(crate) fn is_plain(self) -> bool {
        matches!(self, Self::PlainList | Self::PlainNewScope | Self::PlainSetDefault | Self::PlainLogin)
    }

    /// It installs azward, or takes it away.
    pub(crate) fn is_upheaval(self) -> bool {
        matches!(self, Self::Install | Self::Uninstall)
    }

    /// Prints a token.
    pub(crate) fn is_for_token(self) -> bool {
        self.is_native() || matches!(self, Self::NewScope | Self::PlainNewScope)
    }

    /// It is about alice, whatever the default is.
    pub(crate) fn is_alices(self) -> bool {
        matches!(
            self,
            Self::Answer | Self::Rotation | Self::List | Self::NewScope | Self::PlainList | Self::PlainNewScope
        )
    }

    /// About how long it takes on a busy machine: a kill comes somewhere within.
    pub(crate) fn span(self) -> Duration {
        match self {
            Self::Install | Self::Uninstall => Duration::from_millis(1000),
            _ if self.is_native() => Duration::from_millis(400),
            _ => Duration::from_millis(5000),
        }
    }
}

/// How far a race has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Anything may begin.
    Open,
    /// Nothing begins any more that may be over after everybody else.
    NearEnd,
}

impl Part {
    /// A command that azward answers.
    pub(crate) fn native(chance: &mut Chance) -> Self {
        let choices = [(4, Deed::Answer), (2, Deed::DefaultAnswer), (6, Deed::Rotation), (2, Deed::TenantRotation)];
        Self { deed: chance.pick(&choices), number: chance.below(SCOPES) }
    }

    /// A command of the real az; wrapped ones alone near the end, so that nobody else was last.
    pub(crate) fn real(chance: &mut Chance, number: u64, stage: Stage) -> Self {
        let wrapped =
            [(6, Deed::List), (4, Deed::NewScope), (3, Deed::Login), (3, Deed::Logout), (4, Deed::SetDefault)];
        let plain = [(3, Deed::PlainList), (3, Deed::PlainNewScope), (1, Deed::PlainSetDefault), (1, Deed::PlainLogin)];
        let is_plain = stage == Stage::Open && chance.percent(25);
        let deed = if is_plain { chance.pick(&plain) } else { chance.pick(&wrapped) };
        Self { deed, number }
    }

    /// A command that nobody needs to wait for who takes azward away.
    pub(crate) fn version() -> Self {
        Self { deed: Deed::Version, number: 0 }
    }

    /// An install or an uninstall.
    pub(crate) fn upheaval(deed: Deed) -> Self {
        Self { deed, number: 0 }
    }

    pub(crate) fn invocation<'a>(&self, sandbox: &'a Sandbox) -> Invocation<'a> {
        let start = |words: &[&str]| {
            let az = if self.deed.is_plain() { sandbox.plain_az(words) } else { sandbox.az(words) };
            az.timeout(Duration::from_secs(180))
        };
        let resource = format!("https://r{}.example", self.number);
        let token =
            |how: &str, words: &[&str]| start(&["account", "get-access-token", how, "--output", "json"]).args(words);
        let alices = ["--subscription", SUBSCRIPTION_1.id];
        match self.deed {
            Deed::Answer => token(BY_AZWARD, &alices),
            Deed::DefaultAnswer => token(BY_AZWARD, &[]),
            Deed::Rotation => token(BY_AZWARD, &["--resource", &resource]).args(alices),
            Deed::TenantRotation => token(BY_AZWARD, &["--resource", &resource, "--tenant", TENANT_B.id]),
            Deed::List | Deed::PlainList => start(&["group", "list", "--output", "json"]).args(alices),
            // A form that azward leaves to az.
            Deed::NewScope | Deed::PlainNewScope => {
                token(BY_AZ, &["--resource", &format!("https://new{}.example", self.number)]).args(alices)
            }
            Deed::Login | Deed::PlainLogin => start(&["login", "--use-device-code", "--output", "json"]),
            Deed::Logout => start(&["logout", "--username", User::Bob.username()]),
            Deed::Version => start(&["version", "--output", "none"]),
            Deed::Install => sandbox.azward(["install", "--no-modify-path"]),
            Deed::Uninstall => upheaval::uninstall(sandbox),
            Deed::SetDefault | Deed::PlainSetDefault => {
                let default = if self.number.is_multiple_of(2) { SUBSCRIPTION_1.id } else { SUBSCRIPTION_2.id };
                start(&["account", "set", "--subscription", default])
            }
        }
    }
}
