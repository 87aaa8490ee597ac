//! Kernels of the distribution: found among its packages, downloaded and unpacked, not installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{command, setup::packages};

/// The image of the newest kernel of a series, `6.12`; below `folder` it is kept for the next time.
pub fn image(folder: &Path, version: &str) -> Result<PathBuf> {
    let image = folder.join(version).join("vmlinuz");
    if image.exists() {
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
    fs::create_dir_all(folder.join(version))
        .and_then(|()| fs::rename(&kernel, &image))
        .with_context(|| format!("keep {} as {}", kernel.display(), image.display()))?;
    fs::remove_dir_all(&unpacked).with_context(|| format!("remove {}", unpacked.display()))?;
    Ok(image)
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
