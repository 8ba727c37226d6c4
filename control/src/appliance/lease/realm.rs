//! Which router is meant: by its name, or as the only one there is.

use std::collections::HashMap;

use super::Error;
use lease::RealmId;

/// The routers that are configured, as leases know them.
pub(super) type Routers = HashMap<RealmId, String>;

/// The router that a text names: by its name, or by the id that is shown of one that is no longer configured.
pub(super) fn named(router: &str) -> RealmId {
    router.parse().unwrap_or_else(|_| RealmId::of(router))
}

/// What people call a router; nothing when none is known.
pub(super) fn name_of(realm: RealmId, routers: &Routers) -> Option<String> {
    let is_known = realm != RealmId::UNKNOWN;
    is_known.then(|| {
        routers
            .get(&realm)
            .cloned()
            .unwrap_or_else(|| realm.to_string())
    })
}

/// The one of `found` whose router is wanted, or the only one; `missing` says what there is not.
///
/// # Errors
/// When there is none, or several and none is named.
pub(super) fn only<T>(
    found: Vec<(RealmId, T)>,
    wanted: Option<&str>,
    routers: &Routers,
    missing: impl Fn() -> String,
) -> Result<T, Error> {
    let realm = wanted.map(named);
    let is_wanted = |(of, _): &(RealmId, T)| realm.is_none_or(|realm| *of == realm);
    let mut found: Vec<(RealmId, T)> = found.into_iter().filter(is_wanted).collect();
    let Some((first, chosen)) = found.pop() else {
        let why = match wanted {
            None => missing(),
            Some(router) => format!("{} of router {router}", missing()),
        };
        return Err(Error::not_found("resource", why));
    };
    if found.is_empty() {
        return Ok(chosen);
    }
    let realms = found.iter().map(|(realm, _)| *realm).chain([first]);
    let mut names: Vec<String> = realms
        .map(|realm| name_of(realm, routers).unwrap_or_else(|| realm.to_string()))
        .collect();
    names.sort();
    let why = format!(
        "is to be named, for there are several: {}",
        names.join(", ")
    );
    Err(Error::conflict("router", why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_taken_for_granted_and_of_several_one_is_named() {
        let [a, b, gone] = ["a", "b", "gone"].map(RealmId::of);
        let routers: Routers = [(a, "a".into()), (b, "b".into())].into();
        let only = |found: &[RealmId], wanted| {
            let found = found.iter().map(|realm| (*realm, *realm)).collect();
            super::only(found, wanted, &routers, || "there is no lease".into())
        };
        assert_eq!(only(&[a], None).unwrap(), a);
        assert_eq!(only(&[a, b], Some("b")).unwrap(), b);
        let id = gone.to_string();
        assert_eq!(only(&[a, gone], Some(&id)).unwrap(), gone);
        let unknown = [a, RealmId::UNKNOWN];
        let id = RealmId::UNKNOWN.to_string();
        assert_eq!(only(&unknown, Some(&id)).unwrap(), RealmId::UNKNOWN);
        let fault = |found: &[RealmId], wanted| only(found, wanted).unwrap_err().to_string();
        assert!(fault(&[], None).contains("there is no lease"));
        assert!(fault(&[a], Some("b")).contains("there is no lease of router b"));
        assert!(fault(&[b, a], None).contains("several: a, b"));
        assert_eq!(name_of(gone, &routers), Some(gone.to_string()));
        assert_eq!(name_of(RealmId::UNKNOWN, &routers), None);
    }
}
