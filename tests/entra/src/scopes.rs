//! Scopes: which resource a token is for, and what Entra says it granted.

/// The OpenID Connect scopes, which name no resource.
const RESERVED: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// The form field `scope`, understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scopes {
    /// The resource, slash-exact: `https://management.core.windows.net//.default` is for `https://…net/`.
    pub(crate) resource: String,
    permissions: Vec<String>,
    is_graph: bool,
    pub(crate) wants_refresh_token: bool,
    pub(crate) wants_id_token: bool,
}

impl Scopes {
    /// Takes a scope string apart; the error is the scope that is none.
    pub(crate) fn parse(text: &str, origin: &str) -> Result<Self, String> {
        let mut scopes = Self {
            resource: String::new(),
            permissions: Vec::new(),
            is_graph: false,
            wants_refresh_token: false,
            wants_id_token: false,
        };
        for scope in text.split_whitespace() {
            match scope {
                "offline_access" => scopes.wants_refresh_token = true,
                "openid" => scopes.wants_id_token = true,
                _ if RESERVED.contains(&scope) => {}
                _ => scopes.add(scope)?,
            }
        }
        if scopes.resource.is_empty() {
            "https://graph.microsoft.com".clone_into(&mut scopes.resource);
            scopes.permissions.push("User.Read".to_owned());
        }
        scopes.is_graph = [origin, "https://graph.microsoft.com"].contains(&scopes.resource.trim_end_matches('/'));
        Ok(scopes)
    }

    fn add(&mut self, scope: &str) -> Result<(), String> {
        let (resource, permission) = scope.rsplit_once('/').ok_or_else(|| scope.to_owned())?;
        let host = resource.split_once("://").map_or(resource, |(_, host)| host);
        let is_resource = !host.is_empty() && !host.starts_with('/') && !resource.ends_with(":/");
        if !is_resource || permission.is_empty() || !(self.resource.is_empty() || self.resource == resource) {
            return Err(scope.to_owned());
        }
        resource.clone_into(&mut self.resource);
        self.permissions.push(permission.to_owned());
        Ok(())
    }

    /// The permissions as the claim `scp` lists them.
    pub(crate) fn permissions(&self) -> String {
        let implied = if self.is_graph { "Directory.AccessAsUser.All User.Read" } else { "user_impersonation" };
        let named: Vec<_> = self.permissions.iter().map(String::as_str).filter(|p| *p != ".default").collect();
        if named.is_empty() { implied.to_owned() } else { named.join(" ") }
    }

    /// The `scope` of the response: for `X/.default`, `X/user_impersonation X/.default`.
    pub(crate) fn granted(&self) -> String {
        let resource = &self.resource;
        let mut granted: Vec<_> = self.permissions().split(' ').map(|name| format!("{resource}/{name}")).collect();
        if self.is_graph {
            granted.splice(..0, ["email", "openid", "profile"].map(str::to_owned));
        }
        if self.permissions.iter().any(|name| name == ".default") {
            granted.push(format!("{resource}/.default"));
        }
        granted.join(" ")
    }

    /// Names under `.invalid` are resources that nobody has.
    pub(crate) fn is_unknown(&self) -> bool {
        self.resource.trim_end_matches('/').ends_with(".invalid")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Scopes, String> {
        Scopes::parse(text, "https://localhost:1")
    }

    #[test]
    fn double_slashes_are_kept() {
        let arm = parse("https://management.core.windows.net//.default offline_access openid profile").unwrap();
        assert_eq!(arm.resource, "https://management.core.windows.net/");
        assert_eq!(
            arm.granted(),
            "https://management.core.windows.net//user_impersonation https://management.core.windows.net//.default"
        );
        assert!(arm.wants_refresh_token && arm.wants_id_token);
    }

    #[test]
    fn graph_grants_more_and_is_the_default() {
        let graph = parse("https://localhost:1//.default").unwrap();
        assert!(graph.granted().starts_with("email openid profile https://localhost:1//Directory.AccessAsUser.All"));
        assert!(!graph.wants_refresh_token);
        assert_eq!(parse("openid").unwrap().resource, "https://graph.microsoft.com");
    }

    #[test]
    fn what_is_no_scope_is_refused() {
        for bad in
            ["https://my-invalid-scope", "user_impersonation", "https://a/", "https://a/.default https://b/.default"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse("https://nobody.invalid/.default").unwrap().is_unknown());
        assert_eq!(parse("https://vault.azure.net/other").unwrap().granted(), "https://vault.azure.net/other");
    }
}
