//! Which module files a guest needs before it sees any file of the host, and in which order.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::kernel::Kernel;

/// For the shares, the overlay and the ports of the output; those built into a kernel have no file.
const FIRST: [&str; 5] = ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"];

pub(super) fn first(kernel: &Kernel) -> Result<Vec<PathBuf>> {
    let folder = kernel.modules.join(&kernel.release);
    let index = folder.join("modules.dep");
    let text = fs::read_to_string(&index).with_context(|| format!("reading {}", index.display()))?;
    Ok(load_order(&text, &FIRST).into_iter().map(|path| folder.join(path)).collect())
}

/// Paths in the order of loading. A line of modules.dep names a module and all that it needs, nearest first.
fn load_order<'a>(index: &'a str, names: &[&str]) -> Vec<&'a str> {
    let mut order = Vec::new();
    for name in names {
        let Some((module, needs)) =
            index.lines().filter_map(|line| line.split_once(':')).find(|(path, _)| is(path, name))
        else {
            continue;
        };
        for path in needs.split_whitespace().rev().chain([module]) {
            if !order.contains(&path) {
                order.push(path);
            }
        }
    }
    order
}

fn is(path: &str, name: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split('.').next() == Some(name)
}

#[cfg(test)]
mod tests {
    use super::load_order;

    #[test]
    fn what_is_needed_comes_first_and_once() {
        let index = "kernel/fs/9p/9p.ko: kernel/net/9p/9pnet.ko kernel/fs/netfs/netfs.ko\n\
            kernel/net/9p/9pnet_virtio.ko: kernel/net/9p/9pnet.ko kernel/virtio.ko\nkernel/virtio.ko:\n";
        let order = load_order(index, &["virtio_pci", "9pnet_virtio", "9p"]);
        assert_eq!(
            order,
            [
                "kernel/virtio.ko",
                "kernel/net/9p/9pnet.ko",
                "kernel/net/9p/9pnet_virtio.ko",
                "kernel/fs/netfs/netfs.ko",
                "kernel/fs/9p/9p.ko"
            ]
        );
    }
}
