//! The order of a listing: ipvsadm's own, quirk included.
//!
//! It compares addresses by the sign of a 32-bit difference, which is no total order: 10.0.0.10 comes after
//! 192.168.0.10, and before 10.0.0.11. What comes out then depends on the sort, so the sort is the C library's too:
//! a merge sort by halves.

use api::{ServerView, ServiceView};
use model::{Endpoint, Key};
use std::cmp::Ordering;
use std::net::SocketAddr;

/// Services in the order they are listed: by mark (as a signed number; 0 for those without), IPv4 before IPv6, TCP
/// before UDP before SCTP, then by address and port.
pub(super) fn services(services: &[ServiceView], sorted: bool) -> Vec<&ServiceView> {
    let services: Vec<&ServiceView> = services.iter().collect();
    if !sorted {
        return services;
    }
    merge_sort(&services, &|one: &ServiceView, other: &ServiceView| keys(&one.service.key, &other.service.key))
}

fn keys(one: &Key, other: &Key) -> Ordering {
    let mark = |key: &Key| match key {
        Key::Endpoint(_) => 0,
        Key::Mark(mark) => mark.mark,
    };
    let marks = mark(one).wrapping_sub(mark(other)).cast_signed().cmp(&0);
    let order = marks.then(one.is_ipv6().cmp(&other.is_ipv6()));
    let (Key::Endpoint(one), Key::Endpoint(other)) = (one, other) else { return order };
    let protocols = one.protocol.number().cmp(&other.protocol.number());
    order.then(protocols).then_with(|| addresses(one.endpoint, other.endpoint))
}

/// Servers in the order they are listed; unsorted, the kernel's: newest first.
pub(super) fn servers(servers: &[ServerView], sorted: bool) -> Vec<&ServerView> {
    let newest_first: Vec<&ServerView> = servers.iter().rev().collect();
    if !sorted {
        return newest_first;
    }
    merge_sort(&newest_first, &|one: &ServerView, other: &ServerView| {
        addresses(one.server.endpoint, other.server.endpoint)
    })
}

fn addresses(one: Endpoint, other: Endpoint) -> Ordering {
    let words = words(one).into_iter().zip(words(other));
    let first_difference = words.map(|(one, other)| one.wrapping_sub(other).cast_signed()).find(|sign| *sign != 0);
    first_difference.unwrap_or(0).cmp(&0).then(one.port().cmp(&other.port()))
}

fn words(endpoint: SocketAddr) -> [u32; 4] {
    match endpoint {
        SocketAddr::V4(endpoint) => [endpoint.ip().to_bits(), 0, 0, 0],
        SocketAddr::V6(endpoint) => {
            let bits = endpoint.ip().to_bits();
            [96, 64, 32, 0].map(|shift| u32::try_from((bits >> shift) & u128::from(u32::MAX)).unwrap_or_default())
        }
    }
}

fn merge_sort<'a, T>(items: &[&'a T], compare: &impl Fn(&T, &T) -> Ordering) -> Vec<&'a T> {
    if items.len() < 2 {
        return items.to_vec();
    }
    let (left, right) = items.split_at(items.len() / 2);
    let left = merge_sort(left, compare);
    let right = merge_sort(right, compare);
    let mut left = left.into_iter().peekable();
    let mut right = right.into_iter().peekable();
    let mut merged = Vec::with_capacity(items.len());
    while let (Some(one), Some(other)) = (left.peek(), right.peek()) {
        let from_left = compare(one, other) != Ordering::Greater;
        merged.extend(if from_left { left.next() } else { right.next() });
    }
    merged.extend(left);
    merged.extend(right);
    merged
}
