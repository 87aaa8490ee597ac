//! Kernels of the distribution: found among its packages, downloaded and unpacked, not installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{command, setup::packages};

/// What tests need that is no part of these kernels, or not of each: device mapper, a link that delays and loses, and one of limited
/// rate between network namespaces, with what those need.
const MODULES: [&str; 8] =
    ["bridge.ko", "dax.ko", "dm-mod.ko", "llc.ko", "sch_netem.ko", "sch_tbf.ko", "stp.ko", "veth.ko"];
/// The file beside an image that names those that were looked for in its package.
const LOOKED_FOR: &str = "modules";

/// The image of the newest kernel of a series, `6.12`; below `folder` it is kept for the next time, with its modules.
pub fn image(folder: &Path, version: &str) -> Result<PathBuf> {
    let image = folder.join(version).join("vmlinuz");
    let looked_for = fs::read_to_string(image.with_file_name(LOOKED_FOR)).unwrap_or_default();
    let is_whole = looked_for.lines().eq(MODULES);
    // Without packages somebody has put it there.
    if image.exists() && (is_whole || command::find_for_root("apt-cache").is_none()) {
        return Ok(image);
    }
    let package = match newest(version, &image)? {
        Some(package) => package,
        None => {
            // A fresh machine has no lists of packages yet.
            packages::update();
            newest(version, &image)?.with_context(|| {
                format!("no package linux-image-{version}.*-cloud-amd64 is there: Debian 12 has those of 6.1 and 6.12")
            })?
        }
    };
    let unpacked = folder.join(format!("{version}.unpacked"));
    fs::create_dir_all(&unpacked).with_context(|| format!("make {}", unpacked.display()))?;
    command::run(Command::new("apt-get").args(["download", &package]).current_dir(&unpacked))?;
    let archive = find(&unpacked, |name| name.starts_with("linux-image-") && name.ends_with(".deb"))?;
    packages::unpack(&archive, &unpacked)?;
    let kernel = find(&unpacked.join("boot"), |name| name.starts_with("vmlinuz-"))?;
    let kept = folder.join(version);
    fs::create_dir_all(&kept).with_context(|| format!("make {}", kept.display()))?;
    for module in modules_below(&unpacked.join("lib/modules")) {
        let to = kept.join(module.file_name().context("a module has a name")?);
        fs::rename(&module, &to).with_context(|| format!("keep {} as {}", module.display(), to.display()))?;
    }
    fs::write(kept.join(LOOKED_FOR), MODULES.join("\n")).context("tell which modules were looked for")?;
    // Last: where it is, everything is.
    fs::rename(&kernel, &image)
        .with_context(|| format!("keep {} as {}", kernel.display(), image.display()))?;
    fs::remove_dir_all(&unpacked).with_context(|| format!("remove {}", unpacked.display()))?;
    Ok(image)
}

/// The modules that are kept beside an image, packed or not.
pub fn modules(image: &Path) -> Vec<PathBuf> {
    image.parent().map(modules_below).unwrap_or_default()
}

fn modules_below(folder: &Path) -> Vec<PathBuf> {
    let is_one = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        MODULES.iter().any(|module| name.strip_suffix(".xz").unwrap_or(&name) == *module)
    };
    let mut found = Vec::new();
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() && !path.is_symlink() {
            found.extend(modules_below(&path));
        } else if is_one(&path) {
            found.push(path);
        }
    }
    found
}

/// The newest package of a series: several may be there at a time.
fn newest(version: &str, image: &Path) -> Result<Option<String>> {
    let mut search = Command::new("apt-cache");
    let escaped = version.replace('.', "\\.");
    search.args(["search", "--names-only", &format!("^linux-image-{escaped}\\..*-cloud-amd64$")]);
    let listed = command::ask(&mut search).with_context(|| {
        format!(
            "there is no `apt-cache` to find a package of Linux {version}: put a kernel that has BTF, ext4 and NVMe built \
             in at {}",
            image.display()
        )
    })?;
    Ok(last_of(&listed))
}

/// The name with the highest numbers.
fn last_of(listed: &str) -> Option<String> {
    let names = listed.lines().filter_map(|line| line.split_whitespace().next());
    names.max_by_key(|name| numbers(name)).map(String::from)
}

fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

fn find(folder: &Path, is_it: impl Fn(&str) -> bool) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let mut files = entries.flatten().map(|entry| entry.path());
    let found = files.find(|file| file.file_name().is_some_and(|name| is_it(&name.to_string_lossy())));
    found.with_context(|| format!("the package of the kernel left nothing of it in {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_kernel_has_the_highest_numbers() {
        let listed = "linux-image-6.12.100+deb12-cloud-amd64 - Linux 6.12 for x86-64 cloud (signed)
linux-image-6.12.117+deb12-cloud-amd64 - Linux 6.12
linux-image-6.12.99+deb12-cloud-amd64 - Linux 6.12\n";
        assert_eq!(last_of(listed).as_deref(), Some("linux-image-6.12.117+deb12-cloud-amd64"));
        assert_eq!(last_of(""), None);
    }
}
