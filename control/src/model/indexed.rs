//! The model of a running router: thousands of interfaces, each asked for by its id whenever something happens to it.

use std::ops::Deref;

use tables::id::{IfaceId, NetworkId};

use super::{Interface, Model, Network, Router};

/// A model that does not change any more, whose interfaces and networks are found at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Indexed {
    model: Model,
    /// By the interface's id: the number of its router, and its own number there.
    interfaces: Vec<Option<(usize, usize)>>,
    /// By the network's id: its number.
    networks: Vec<Option<usize>>,
}

impl Indexed {
    /// The interface with this id.
    pub fn interface(&self, id: IfaceId) -> Option<&Interface> {
        self.placed(id).map(|(_, interface)| interface)
    }

    /// The interface with this id, and its router.
    pub fn placed(&self, id: IfaceId) -> Option<(&Router, &Interface)> {
        let (router, interface) = (*self.interfaces.get(id.index())?)?;
        let router = self.model.routers.get(router)?;
        Some((router, router.interfaces.get(interface)?))
    }

    /// The network with this id.
    pub fn network(&self, id: NetworkId) -> Option<&Network> {
        let number = (*self.networks.get(id.index())?)?;
        self.model.networks.get(number)
    }
}

impl Deref for Indexed {
    type Target = Model;

    fn deref(&self) -> &Model {
        &self.model
    }
}

impl From<Model> for Indexed {
    fn from(model: Model) -> Self {
        let (mut interfaces, mut networks) = (Vec::new(), Vec::new());
        for (r, router) in model.routers.iter().enumerate() {
            for (i, interface) in router.interfaces.iter().enumerate() {
                put(&mut interfaces, interface.id.index(), (r, i));
            }
        }
        for (n, network) in model.networks.iter().enumerate() {
            put(&mut networks, network.id.index(), n);
        }
        Self {
            model,
            interfaces,
            networks,
        }
    }
}

fn put<T: Clone>(list: &mut Vec<Option<T>>, index: usize, value: T) {
    if list.len() <= index {
        list.resize(index + 1, None);
    }
    list[index] = Some(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_found_and_nobody_else() {
        let text = "[[device]]\nname = \"d\"\nkind = \"null\"\n[[router]]\nname = \"r\"\n[[router.interface]]\n\
                    name = \"i\"\ndevice = \"d\"\nvlan = 1\n[[router]]\nname = \"s\"\n[[router.interface]]\nname = \"j\"\n\
                    network = \"n\"\n[[router.interface]]\nname = \"k\"\ndevice = \"d\"\nvlan = 3\n[[network]]\nname = \"n\"\n";
        let loaded = crate::config::parse("t.toml".as_ref(), text).unwrap();
        let model = Indexed::from(loaded.model);
        assert_eq!(model.interfaces().count(), 3);
        for (router, interface) in model.interfaces() {
            assert_eq!(model.placed(interface.id), Some((router, interface)));
            assert_eq!(model.interface(interface.id), Some(interface));
        }
        let network = &model.model.networks[0];
        assert_eq!(model.network(network.id), Some(network));
        assert_eq!(model.interface(IfaceId(9)), None);
        assert_eq!(model.network(NetworkId(9)), None);
    }
}
