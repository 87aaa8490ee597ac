//! Something for each socket. Walks ask for it several times at each wait, and there may be thousands.

use foldhash::{HashMap, HashMapExt as _};

#[derive(Debug)]
pub struct ByCookie<T> {
    places: HashMap<u64, usize>,
    all: Vec<T>,
}

impl<T> ByCookie<T> {
    pub fn get(&self, cookie: u64) -> Option<&T> {
        self.places.get(&cookie).map(|&place| &self.all[place])
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.all.iter_mut()
    }

    /// In order of the cookies.
    pub fn in_order(&self) -> impl Iterator<Item = &T> {
        let mut order: Vec<(u64, usize)> =
            self.places.iter().map(|(&cookie, &place)| (cookie, place)).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, place)| &self.all[place])
    }
}

impl<T: Default> ByCookie<T> {
    /// A new one, where the socket has none yet.
    pub fn entry(&mut self, cookie: u64) -> &mut T {
        let place = *self.places.entry(cookie).or_insert_with(|| {
            self.all.push(T::default());
            self.all.len() - 1
        });
        &mut self.all[place]
    }
}

impl<T> Default for ByCookie<T> {
    fn default() -> Self {
        Self { places: HashMap::new(), all: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_in_the_order_of_their_cookies() {
        let mut by_cookie = ByCookie::<u64>::default();
        [7, 3, 1 << 60, 3, 5].into_iter().for_each(|cookie| *by_cookie.entry(cookie) += cookie);
        assert_eq!(by_cookie.in_order().copied().collect::<Vec<_>>(), [6, 5, 7, 1 << 60]);
        assert_eq!((by_cookie.get(3), by_cookie.get(4)), (Some(&6), None));
    }
}
