//! Who and what exists: two tenants, three subscriptions (and three more of applications), two users and two service principals.
//!
//! The names and ids are constants, so that tests can write them down; the secrets (passwords, the client secret) are
//! drawn at random when a server starts, see [`Secrets`].

use crate::random;

/// The client id of the Azure CLI itself.
pub const AZURE_CLI_CLIENT_ID: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";

/// An Entra tenant.
#[derive(Debug, PartialEq, Eq)]
pub struct Tenant {
    /// The tenant's GUID.
    pub id: &'static str,
    /// What Resource Manager and Graph show for it.
    pub display_name: &'static str,
    /// Its default domain; stands for the GUID in every URL.
    pub domain: &'static str,
}

/// The home tenant of alice and of the service principal.
pub const TENANT_A: Tenant =
    Tenant { id: "aaaaaaaa-1111-4a4a-8a8a-aaaaaaaaaaaa", display_name: "Contoso", domain: "contoso.onmicrosoft.com" };

/// The home tenant of bob, where alice is a guest.
pub const TENANT_B: Tenant =
    Tenant { id: "bbbbbbbb-2222-4b4b-8b8b-bbbbbbbbbbbb", display_name: "Fabrikam", domain: "fabrikam.onmicrosoft.com" };

/// Both tenants.
pub const TENANTS: [&Tenant; 2] = [&TENANT_A, &TENANT_B];

/// A subscription and the tenant it trusts.
#[derive(Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The subscription's GUID.
    pub id: &'static str,
    /// Its display name.
    pub name: &'static str,
    /// The tenant whose tokens see it.
    pub tenant: &'static Tenant,
}

/// The first subscription of tenant A, the default one after alice's login.
pub const SUBSCRIPTION_1: Subscription =
    Subscription { id: "11111111-aaaa-4111-8111-111111111111", name: "Contoso Production", tenant: &TENANT_A };

/// The second subscription of tenant A.
pub const SUBSCRIPTION_2: Subscription =
    Subscription { id: "22222222-aaaa-4222-8222-222222222222", name: "Contoso Development", tenant: &TENANT_A };

/// The only subscription of tenant B.
pub const SUBSCRIPTION_3: Subscription =
    Subscription { id: "33333333-bbbb-4333-8333-333333333333", name: "Fabrikam Shared", tenant: &TENANT_B };

/// What [`SERVICE_PRINCIPAL`] sees where applications see subscriptions of their own.
pub const SUBSCRIPTION_OF_PRINCIPAL: Subscription =
    Subscription { id: "44444444-aaaa-4444-8444-444444444444", name: "Contoso Pipelines", tenant: &TENANT_A };

/// What [`GUEST_PRINCIPAL`] sees there.
pub const SUBSCRIPTION_OF_GUEST: Subscription =
    Subscription { id: "55555555-bbbb-4555-8555-555555555555", name: "Fabrikam Pipelines", tenant: &TENANT_B };

/// What the managed identities see there.
pub const SUBSCRIPTION_OF_MACHINE: Subscription =
    Subscription { id: "66666666-aaaa-4666-8666-666666666666", name: "Contoso Machines", tenant: &TENANT_A };

/// All three subscriptions that people see.
pub const SUBSCRIPTIONS: [&Subscription; 3] = [&SUBSCRIPTION_1, &SUBSCRIPTION_2, &SUBSCRIPTION_3];

/// The names of the resource groups that every subscription has.
pub const RESOURCE_GROUPS: [&str; 2] = ["rg-web", "rg-data"];

/// A person who can log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// At home in tenant A, a guest in tenant B.
    Alice,
    /// At home in tenant B, unknown in tenant A.
    Bob,
}

impl User {
    /// Both users.
    pub const ALL: [Self; 2] = [Self::Alice, Self::Bob];

    /// Returns the name the user logs in with.
    pub fn username(self) -> &'static str {
        match self {
            Self::Alice => "alice@contoso.onmicrosoft.com",
            Self::Bob => "bob@fabrikam.onmicrosoft.com",
        }
    }

    /// Returns the given name and the family name.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Alice => ("Alice", "Archer"),
            Self::Bob => ("Bob", "Baker"),
        }
    }

    /// Returns the tenant the user belongs to.
    pub fn home(self) -> &'static Tenant {
        match self {
            Self::Alice => &TENANT_A,
            Self::Bob => &TENANT_B,
        }
    }

    /// Returns the user's object id in a tenant, if the tenant knows the user.
    pub fn object_id(self, tenant: &Tenant) -> Option<&'static str> {
        match self {
            Self::Alice if *tenant == TENANT_A => Some("a11ce000-0000-4000-8000-00000000000a"),
            Self::Alice => Some("a11ce000-0000-4000-8000-00000000000b"),
            Self::Bob if *tenant == TENANT_B => Some("b0b00000-0000-4000-8000-00000000000b"),
            Self::Bob => None,
        }
    }

    /// Returns the user principal name in a tenant: a guest's carries `#EXT#`.
    pub fn principal_name(self, tenant: &Tenant) -> String {
        if tenant == self.home() {
            self.username().to_owned()
        } else {
            format!("{}#EXT#@{}", self.username().replace('@', "_"), tenant.domain)
        }
    }

    /// Returns the object id in the home tenant.
    pub fn home_object_id(self) -> &'static str {
        self.object_id(self.home()).unwrap_or_default()
    }

    /// Returns what MSAL calls the home account id: `{oid}.{tid}`.
    pub fn home_account_id(self) -> String {
        format!("{}.{}", self.home_object_id(), self.home().id)
    }

    /// Returns the tenants that know the user, the home tenant first.
    pub fn tenants(self) -> Vec<&'static Tenant> {
        let mut known: Vec<_> = TENANTS.into_iter().filter(|tenant| self.object_id(tenant).is_some()).collect();
        known.sort_by_key(|tenant| *tenant != self.home());
        known
    }

    pub(crate) fn named(username: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|user| user.username().eq_ignore_ascii_case(username))
    }
}

/// An application that logs in with a client secret.
#[derive(Debug, PartialEq, Eq)]
pub struct ServicePrincipal {
    /// The application (client) id.
    pub client_id: &'static str,
    /// The object id of the service principal.
    pub object_id: &'static str,
    /// Its display name.
    pub display_name: &'static str,
    /// Where it is at home.
    pub tenant: &'static Tenant,
    /// The tenants that it exists in.
    pub tenants: &'static [&'static Tenant],
}

impl ServicePrincipal {
    /// The subscription that is its own.
    pub(crate) fn own_subscription(&self) -> &'static Subscription {
        match self.client_id {
            id if id == SERVICE_PRINCIPAL.client_id => &SUBSCRIPTION_OF_PRINCIPAL,
            id if id == GUEST_PRINCIPAL.client_id => &SUBSCRIPTION_OF_GUEST,
            _ => &SUBSCRIPTION_OF_MACHINE,
        }
    }

    pub(crate) fn named(client_id: &str) -> Option<&'static Self> {
        [&SERVICE_PRINCIPAL, &GUEST_PRINCIPAL].into_iter().find(|one| one.client_id == client_id)
    }
}

/// The application that is in both tenants; it has the same secret.
pub const GUEST_PRINCIPAL: ServicePrincipal = ServicePrincipal {
    client_id: "5e41ce00-0000-4000-8000-000000000003",
    object_id: "5e41ce00-0000-4000-8000-000000000004",
    display_name: "contoso-guest",
    tenant: &TENANT_A,
    tenants: &TENANTS,
};

/// The service principal of tenant A; its secret is `Entra::client_secret`.
pub const SERVICE_PRINCIPAL: ServicePrincipal = ServicePrincipal {
    client_id: "5e41ce00-0000-4000-8000-000000000001",
    object_id: "5e41ce00-0000-4000-8000-000000000002",
    display_name: "contoso-deploy",
    tenant: &TENANT_A,
    tenants: &[&TENANT_A],
};

/// The secrets of one server: random at every start, recognisable by their canary text.
#[derive(Debug)]
pub(crate) struct Secrets {
    pub(crate) client_secret: String,
    passwords: [String; 2],
}

impl Secrets {
    pub(crate) fn draw() -> Self {
        Self {
            client_secret: format!("{}8Q~{}", crate::CLIENT_SECRET_CANARY, random::text(32)),
            passwords: User::ALL.map(|_| format!("{}{}", crate::PASSWORD_CANARY, random::text(16))),
        }
    }

    pub(crate) fn password(&self, user: User) -> &str {
        &self.passwords[user as usize]
    }
}

/// The tenant segment of an authority URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Authority {
    /// One tenant, named by GUID or domain.
    Tenant(&'static Tenant),
    /// `organizations` or `common`: the home tenant of whoever logs in.
    Home(&'static str),
    /// `adfs`: an AD FS in the place of Entra ID, which knows everybody at home, and no tenants.
    Adfs,
}

impl Authority {
    pub(crate) fn named(segment: &str) -> Option<Self> {
        match segment.to_ascii_lowercase().as_str() {
            "organizations" => Some(Self::Home("organizations")),
            "common" => Some(Self::Home("common")),
            "adfs" => Some(Self::Adfs),
            name => TENANTS.into_iter().find(|t| t.id == name || t.domain == name).map(Self::Tenant),
        }
    }

    /// The segment Entra uses in the endpoints it announces.
    pub(crate) fn segment(self) -> &'static str {
        match self {
            Self::Tenant(tenant) => tenant.id,
            Self::Home(name) => name,
            Self::Adfs => "adfs",
        }
    }

    /// What stands before the name of an endpoint: AD FS has no versions.
    pub(crate) fn endpoints(self) -> &'static str {
        if self == Self::Adfs { "oauth2" } else { "oauth2/v2.0" }
    }

    pub(crate) fn tenant_for(self, user: User) -> &'static Tenant {
        match self {
            Self::Tenant(tenant) => tenant,
            Self::Home(_) | Self::Adfs => user.home(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alice_is_a_guest_in_b_and_bob_is_nobody_in_a() {
        assert_eq!(User::Alice.tenants(), [&TENANT_A, &TENANT_B]);
        assert_eq!(User::Bob.tenants(), [&TENANT_B]);
        assert_ne!(User::Alice.object_id(&TENANT_A), User::Alice.object_id(&TENANT_B));
        assert!(User::Alice.principal_name(&TENANT_B).contains("#EXT#@fabrikam"));
    }

    #[test]
    fn authorities_are_found_by_guid_domain_and_alias() {
        assert_eq!(Authority::named(TENANT_A.id), Some(Authority::Tenant(&TENANT_A)));
        assert_eq!(Authority::named("Fabrikam.onmicrosoft.com"), Some(Authority::Tenant(&TENANT_B)));
        assert_eq!(Authority::named("common").map(|a| a.tenant_for(User::Bob)), Some(&TENANT_B));
        assert_eq!(Authority::named("nobody.example"), None);
    }
}
