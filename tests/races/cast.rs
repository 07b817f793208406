//! Who is in the crowd: the commands, how often each is started, and what it needs.

use std::time::Duration;

use entra::{
    Entra, GUEST_PRINCIPAL, SERVICE_PRINCIPAL, SUBSCRIPTION_1, SUBSCRIPTION_2, SUBSCRIPTION_OF_GUEST,
    SUBSCRIPTION_OF_MACHINE, SUBSCRIPTION_OF_PRINCIPAL, SYSTEM_IDENTITY, TENANT_B, User,
};

use crate::principals;
use crate::sessions::{self, Session};
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
    /// `azward login` for a login of its own, the second user's.
    NamedLogin,
    /// `azward logout` of that one.
    NamedLogout,
    Start,
    Rotate,
    Stop,
    /// `azward token` of a session.
    SessionToken,
    /// A command that needs a token, in a session.
    SessionList,
    VaultMove,
    /// The first service principal's token for Resource Manager.
    PrincipalAnswer,
    /// The same for one of a few scopes.
    PrincipalRotation,
    /// A command that needs a token, the first service principal's.
    PrincipalList,
    /// The real az gets its token for a scope that nobody has asked for.
    PrincipalNewScope,
    /// `az login --service-principal` of the second one.
    GuestLogin,
    GuestLogout,
    /// The real az gets its token for a scope that nobody has asked for.
    GuestNewScope,
    PlainGuestLogin,
    /// The machine's own identity's token for Resource Manager.
    IdentityAnswer,
    /// The same for one of a few scopes.
    IdentityRotation,
    Install,
    Uninstall,
}

/// Of whom a token is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bearer {
    Alice,
    /// The application with this id.
    Application(&'static str),
    /// Whoever the default subscription, or the session, belongs to.
    Anybody,
}

/// One command of the crowd.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) deed: Deed,
    /// The session that it is about.
    pub(crate) session: Option<&'static Session>,
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
            Self::NamedLogin => "`azward login NAME`",
            Self::NamedLogout => "`azward logout NAME`",
            Self::Start => "`azward start`",
            Self::Rotate => "`azward rotate`",
            Self::Stop => "`azward stop`",
            Self::SessionToken => "`azward token`",
            Self::SessionList => "`group list` in a session",
            Self::VaultMove => "`azward vault move`",
            Self::PrincipalAnswer => "answer, service principal",
            Self::PrincipalRotation => "answer, service principal, few scopes",
            Self::PrincipalList => "service principal, `group list`",
            Self::PrincipalNewScope => "service principal, a new scope",
            Self::GuestLogin => "login of a second service principal",
            Self::GuestLogout => "logout of that one",
            Self::GuestNewScope => "that one, a new scope",
            Self::PlainGuestLogin => "plain az, login of that one",
            Self::IdentityAnswer => "answer, managed identity",
            Self::IdentityRotation => "answer, managed identity, few scopes",
            Self::Install => "install",
            Self::Uninstall => "uninstall",
        }
    }

    /// azward has the answer, in general without an az.
    pub(crate) fn is_answer(self) -> bool {
        let is_a_user_s = matches!(self, Self::Answer | Self::DefaultAnswer | Self::Rotation | Self::TenantRotation);
        is_a_user_s
            || matches!(self, Self::PrincipalAnswer | Self::PrincipalRotation)
            || matches!(self, Self::IdentityAnswer | Self::IdentityRotation)
    }

    /// It needs no az, in general, and is soon over.
    pub(crate) fn is_native(self) -> bool {
        let is_light = matches!(self, Self::Start | Self::Rotate | Self::Stop | Self::SessionToken | Self::VaultMove);
        self.is_answer() || is_light
    }

    /// A command of the azward that is installed.
    pub(crate) fn is_azward_s(self) -> bool {
        let has_an_az = matches!(self, Self::NamedLogin | Self::NamedLogout | Self::SessionList);
        has_an_az || self.is_native() && !self.is_answer()
    }

    pub(crate) fn is_plain(self) -> bool {
        let is_a_login = matches!(self, Self::PlainLogin | Self::PlainGuestLogin);
        is_a_login || matches!(self, Self::PlainList | Self::PlainNewScope | Self::PlainSetDefault)
    }

    /// It installs azward, or takes it away.
    pub(crate) fn is_upheaval(self) -> bool {
        matches!(self, Self::Install | Self::Uninstall)
    }

    /// Prints a token.
    pub(crate) fn is_for_token(self) -> bool {
        let is_new =
            matches!(self, Self::NewScope | Self::PlainNewScope | Self::PrincipalNewScope | Self::GuestNewScope);
        self.is_answer() || is_new || self == Self::SessionToken
    }

    /// Who it is about, whatever the default is.
    pub(crate) fn bearer(self) -> Bearer {
        match self {
            Self::Answer | Self::Rotation | Self::List | Self::NewScope | Self::PlainList | Self::PlainNewScope => {
                Bearer::Alice
            }
            Self::PrincipalAnswer | Self::PrincipalRotation | Self::PrincipalList | Self::PrincipalNewScope => {
                Bearer::Application(SERVICE_PRINCIPAL.client_id)
            }
            Self::GuestNewScope => Bearer::Application(GUEST_PRINCIPAL.client_id),
            Self::IdentityAnswer | Self::IdentityRotation => Bearer::Application(SYSTEM_IDENTITY.client_id),
            _ => Bearer::Anybody,
        }
    }

    /// It is about alice, whatever the default is.
    pub(crate) fn is_alices(self) -> bool {
        self.bearer() == Bearer::Alice
    }

    /// The logouts that sign the one out whom it is about, if any do.
    pub(crate) fn logouts(self) -> &'static [Self] {
        match self {
            Self::GuestLogin | Self::GuestNewScope | Self::GuestLogout | Self::PlainGuestLogin => &[Self::GuestLogout],
            _ => &[Self::Logout, Self::NamedLogout],
        }
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
    fn new(deed: Deed, number: u64) -> Self {
        Self { deed, session: None, number }
    }

    /// A command that azward answers; of its own ones only if it is installed.
    pub(crate) fn native(chance: &mut Chance, has_azward: bool) -> Self {
        let own = [(3, Deed::Start), (3, Deed::Rotate), (2, Deed::Stop), (3, Deed::SessionToken)];
        if has_azward && chance.percent(30) {
            return Self::new(chance.pick(&own), chance.below(SCOPES)).in_some_session(chance);
        }
        if chance.percent(35) {
            let choices = [
                (2, Deed::PrincipalAnswer),
                (3, Deed::PrincipalRotation),
                (2, Deed::IdentityAnswer),
                (3, Deed::IdentityRotation),
            ];
            return Self::new(chance.pick(&choices), chance.below(SCOPES));
        }
        let choices = [(4, Deed::Answer), (2, Deed::DefaultAnswer), (6, Deed::Rotation), (2, Deed::TenantRotation)];
        Self::new(chance.pick(&choices), chance.below(SCOPES))
    }

    /// A command of the real az; wrapped ones alone near the end, so that nobody else was last.
    pub(crate) fn real(chance: &mut Chance, number: u64, stage: Stage, has_azward: bool) -> Self {
        let own = [(4, Deed::NamedLogin), (2, Deed::NamedLogout), (4, Deed::SessionList)];
        if has_azward && chance.percent(30) {
            return Self::new(chance.pick(&own), number).in_some_session(chance);
        }
        let may_be_plain = stage == Stage::Open;
        if chance.percent(40) {
            let choices = [
                (2, Deed::PrincipalList),
                (3, Deed::PrincipalNewScope),
                (4, Deed::GuestLogin),
                (3, Deed::GuestLogout),
                (2, Deed::GuestNewScope),
                (u64::from(may_be_plain), Deed::PlainGuestLogin),
            ];
            return Self::new(chance.pick(&choices), number);
        }
        let wrapped =
            [(6, Deed::List), (4, Deed::NewScope), (3, Deed::Login), (3, Deed::Logout), (4, Deed::SetDefault)];
        let plain = [(3, Deed::PlainList), (3, Deed::PlainNewScope), (1, Deed::PlainSetDefault), (1, Deed::PlainLogin)];
        let is_plain = may_be_plain && chance.percent(25);
        let deed = if is_plain { chance.pick(&plain) } else { chance.pick(&wrapped) };
        Self::new(deed, number)
    }

    fn in_some_session(self, chance: &mut Chance) -> Self {
        let session = chance.pick(&sessions::ALL.each_ref().map(|session| (1, session)));
        let is_about_one = !matches!(self.deed, Deed::NamedLogin | Deed::NamedLogout);
        Self { session: is_about_one.then_some(session), ..self }
    }

    /// A command that nobody needs to wait for who takes azward away.
    pub(crate) fn version() -> Self {
        Self::new(Deed::Version, 0)
    }

    /// The vaults' key goes to the other store, there and back.
    pub(crate) fn vault_move(number: u64) -> Self {
        Self::new(Deed::VaultMove, number)
    }

    /// An install or an uninstall.
    pub(crate) fn upheaval(deed: Deed) -> Self {
        Self::new(deed, 0)
    }

    pub(crate) fn invocation<'a>(&self, sandbox: &'a Sandbox, entra: &Entra) -> Invocation<'a> {
        let start = |words: &[&str]| {
            let az = if self.deed.is_plain() { sandbox.plain_az(words) } else { sandbox.az(words) };
            az.timeout(Duration::from_secs(180))
        };
        let resource = format!("https://r{}.example", self.number);
        let token =
            |how: &str, words: &[&str]| start(&["account", "get-access-token", how, "--output", "json"]).args(words);
        let alices = ["--subscription", SUBSCRIPTION_1.id];
        let principals = ["--subscription", SUBSCRIPTION_OF_PRINCIPAL.id];
        let machines = ["--subscription", SUBSCRIPTION_OF_MACHINE.id];
        let new_scope = format!("https://new{}.example", self.number);
        match self.deed {
            Deed::PrincipalAnswer => token(BY_AZWARD, &principals),
            Deed::PrincipalRotation => token(BY_AZWARD, &["--resource", &resource]).args(principals),
            Deed::PrincipalList => start(&["group", "list", "--output", "json"]).args(principals),
            Deed::PrincipalNewScope => token(BY_AZ, &["--resource", &new_scope]).args(principals),
            Deed::GuestLogin | Deed::PlainGuestLogin => {
                start(&principals::sign_in(&GUEST_PRINCIPAL, &TENANT_B, entra.client_secret()))
            }
            Deed::GuestLogout => start(&["logout", "--username", GUEST_PRINCIPAL.client_id]),
            Deed::GuestNewScope => {
                token(BY_AZ, &["--resource", &new_scope, "--subscription", SUBSCRIPTION_OF_GUEST.id])
            }
            Deed::IdentityAnswer => token(BY_AZWARD, &machines),
            Deed::IdentityRotation => token(BY_AZWARD, &["--resource", &resource]).args(machines),
            Deed::Answer => token(BY_AZWARD, &alices),
            Deed::DefaultAnswer => token(BY_AZWARD, &[]),
            Deed::Rotation => token(BY_AZWARD, &["--resource", &resource]).args(alices),
            Deed::TenantRotation => token(BY_AZWARD, &["--resource", &resource, "--tenant", TENANT_B.id]),
            Deed::List | Deed::PlainList => start(&["group", "list", "--output", "json"]).args(alices),
            // A form that azward leaves to az.
            Deed::NewScope | Deed::PlainNewScope => token(BY_AZ, &["--resource", &new_scope]).args(alices),
            Deed::Login | Deed::PlainLogin => start(&["login", "--use-device-code", "--output", "json"]),
            Deed::Logout => start(&["logout", "--username", User::Bob.username()]),
            Deed::NamedLogin => sessions::azward(sandbox, &["login", sessions::LOGIN, "--", "--use-device-code"]),
            Deed::NamedLogout => sessions::azward(sandbox, &["logout", sessions::LOGIN]),
            Deed::Start | Deed::Rotate | Deed::Stop | Deed::SessionToken | Deed::SessionList => {
                sessions::invocation(sandbox, self.deed, self.session.unwrap(), &resource)
            }
            Deed::VaultMove => {
                let store = if self.number.is_multiple_of(2) { "passphrase" } else { "key-file" };
                sessions::azward(sandbox, &["vault", "move", "--to", store])
            }
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
