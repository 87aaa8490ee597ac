//! Which distribution this is, after os-release(5).

use std::{fs, path::Path};

#[derive(Debug, PartialEq, Eq)]
pub struct Distribution {
    /// `debian`, `fedora`; `linux` where the file says nothing, as os-release(5) has it.
    pub id: String,
    /// It has Debian's package manager and names of packages.
    pub is_debian: bool,
}

pub fn of_this_machine() -> Distribution {
    read(Path::new("/etc/os-release"))
}

fn read(file: &Path) -> Distribution {
    parse(&fs::read_to_string(file).unwrap_or_default())
}

fn parse(os_release: &str) -> Distribution {
    let field = |name: &str| {
        let value = os_release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
    };
    let id = field("ID");
    let is_debian = id == "debian" || field("ID_LIKE").split_whitespace().any(|like| like == "debian");
    Distribution { id: if id.is_empty() { "linux".into() } else { id }, is_debian }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(os_release: &str, id: &str, is_debian: bool) {
        assert_eq!(parse(os_release), Distribution { id: id.into(), is_debian });
    }

    #[test]
    fn debian_and_what_is_like_it() {
        check("PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n", "debian", true);
        check("ID=ubuntu\nID_LIKE=debian\n", "ubuntu", true);
        check("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", "linuxmint", true);
    }

    #[test]
    fn other_distributions_are_named() {
        check("ID=\"fedora\"\nVERSION_ID=43\n", "fedora", false);
        check("ID=arch\nID_LIKE=\"archlinux notdebian\"\n", "arch", false);
        check("VERSION_ID=12\n", "linux", false);
    }

    #[test]
    fn a_missing_file_is_an_unknown_distribution() {
        assert_eq!(read(Path::new("/no/such/os-release")).id, "linux");
    }
}
