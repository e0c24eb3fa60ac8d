//! Names by what they have in common.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use podgate_api::ObjectRef;

/// Names by something that they have in common. No set is ever empty.
#[derive(Debug)]
pub(super) struct Sets<K>(pub(super) HashMap<K, BTreeSet<ObjectRef>>);

impl<K> Default for Sets<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> Sets<K> {
    pub(super) fn insert(&mut self, of: K, name: &ObjectRef) {
        self.0.entry(of).or_default().insert(name.clone());
    }

    pub(super) fn remove<Q>(&mut self, of: &Q, name: &ObjectRef)
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        if let Some(set) = self.0.get_mut(of) {
            set.remove(name);
            if set.is_empty() {
                self.0.remove(of);
            }
        }
    }

    pub(super) fn get<Q>(&self, of: &Q) -> impl Iterator<Item = &ObjectRef>
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.0.get(of).into_iter().flatten()
    }
}
