//! One virtual machine: qemu with software emulation, its console on the terminal and in a log.

use std::{
    fs::{self, File},
    io::{Read, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::{command, setup::Qemu};

/// What a machine's clock goes by.
#[derive(Clone, Copy)]
pub enum Clock {
    /// The host's: what the machine does seems slow, and how slow depends on what else the host does.
    Host,
    /// The machine's instructions, a nanosecond each; where it has none to run, it goes on at once to whatever is next. So
    /// programs keep to their times, on whatever host.
    Instructions,
}

impl Clock {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Host => &["-smp", "2"],
            // Two CPUs that take turns would be late for each other.
            Self::Instructions => &["-smp", "1", "-icount", "shift=0,sleep=off"],
        }
    }

    fn cpu(self) -> String {
        // Copies byte by byte, as kernels make them on a CPU that is said to be fast at it, are an instruction each.
        let copies = match self {
            Self::Host => "",
            Self::Instructions => ",erms=off,fsrm=off",
        };
        format!("{CPU}{copies}")
    }

    /// The slowest test takes a quarter of it on a busy host, and a pair less of its own.
    fn longest_silence(self) -> Duration {
        match self {
            Self::Host => Duration::from_secs(120),
            Self::Instructions => Duration::from_secs(600),
        }
    }

    /// Several times what all tests take, or all pairs.
    fn longest_run(self) -> Duration {
        match self {
            Self::Host => Duration::from_secs(1800),
            Self::Instructions => Duration::from_secs(3 * 3600),
        }
    }
}

const DISK_BYTES: u64 = 2 << 30;
/// Of a disk without anything on it, for partitions.
const SPARE_BYTES: u64 = 64 << 20;

/// A CPU without `cmpxchg16b`, which qemu 7.2 emulates so that it spoils the flags now and then: 6.12 died of it in
/// its allocator. Four levels of page tables instead of five take less emulation.
const CPU: &str = "max,cx16=off,la57=off";

/// On a busy host an emulated timer looks broken at boot, and 6.1 gave up: `no_timer_check`.
/// `oops=panic panic=-1`, with qemu's `-no-reboot`: a kernel that fails ends its machine.
const KERNEL_ARGUMENTS: &str =
    "console=ttyS0 quiet no_timer_check mitigations=off nokaslr oops=panic panic=-1 psi=1 rdinit=/init";

/// Boots `kernel` and waits for its end; gives what it wrote to its console, which is also in `folder`, after its disk was
/// looked through.
pub fn run(
    qemu: &Qemu,
    clock: Clock,
    version: &str,
    kernel: &Path,
    initramfs: &Path,
    folder: &Path,
    look: impl FnOnce(&Path) -> Result<()>,
) -> Result<String> {
    let disk = folder.join(format!("{version}.disk"));
    let spare = folder.join(format!("{version}.spare"));
    make_disk(&disk)?;
    File::create(&spare)
        .and_then(|file| file.set_len(SPARE_BYTES))
        .with_context(|| format!("make {}", spare.display()))?;
    let console = boot(qemu, clock, version, kernel, initramfs, [&disk, &spare]).and_then(|mut machine| {
        let mut log = File::create(folder.join(format!("{version}.log")))?;
        let console = machine.follow(clock, version, &mut log)?;
        look(&disk)?;
        Ok(console)
    });
    for file in [&disk, &spare] {
        fs::remove_file(file).with_context(|| format!("remove {}", file.display()))?;
    }
    console.with_context(|| format!("run Linux {version} in a virtual machine"))
}

/// An empty ext4, so that files have a device and direct I/O.
fn make_disk(disk: &Path) -> Result<()> {
    File::create(disk)
        .and_then(|file| file.set_len(DISK_BYTES))
        .with_context(|| format!("make {}", disk.display()))?;
    let mkfs = command::find_for_root("mkfs.ext4").context("find mkfs.ext4")?;
    command::run(Command::new(mkfs).args(["-q", "-F"]).arg(disk))
}

/// A running machine; dropping it ends it.
struct Machine(Child);

fn boot(
    qemu: &Qemu,
    clock: Clock,
    version: &str,
    kernel: &Path,
    initramfs: &Path,
    disks: [&Path; 2],
) -> Result<Machine> {
    let mut qemu = qemu.command();
    // Emulated CPUs take turns on one thread: in parallel 6.12 oopses.
    qemu.args(["-accel", "tcg,thread=single", "-cpu", &clock.cpu(), "-m", "2G"]).args(clock.arguments());
    qemu.args(["-nodefaults", "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot"]);
    qemu.arg("-kernel").arg(kernel).arg("-initrd").arg(initramfs);
    qemu.args(["-append", KERNEL_ARGUMENTS]);
    // ext4 and NVMe are built into these kernels, virtio is not.
    for (name, disk) in ["disk", "spare"].into_iter().zip(disks) {
        qemu.arg("-drive").arg(format!("file={},if=none,id={name},format=raw,cache=unsafe", disk.display()));
        qemu.args(["-device", &format!("nvme,drive={name},serial={name}")]);
    }
    eprintln!("+ {} # Linux {version}", command::line(&qemu));
    let started = qemu.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    Ok(Machine(started.context("start qemu-system-x86_64")?))
}

impl Machine {
    /// Shows and logs every line until the machine ends; an error where it hangs.
    fn follow(&mut self, clock: Clock, version: &str, log: &mut File) -> Result<String> {
        let console = self.0.stdout.take().context("qemu has a console")?;
        let (send, chunks) = mpsc::channel();
        let reader = thread::spawn(move || read_chunks(console, |chunk| send.send(chunk).is_ok()));
        let began = Instant::now();
        let (mut all, mut begun) = (String::new(), Vec::new());
        loop {
            match chunks.recv_timeout(clock.longest_silence()) {
                Ok(chunk) => begun.extend(chunk),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    // The name of the test that hangs stands in a line that has not ended.
                    all.push_str(&plain(&begun));
                    bail!(
                        "nothing for {} s; its last lines:\n{}",
                        clock.longest_silence().as_secs(),
                        super::tail(&all)
                    );
                }
            }
            while let Some(end) = begun.iter().position(|byte| *byte == b'\n') {
                let line = plain(&begun.drain(..=end).collect::<Vec<u8>>());
                println!("{version:<4} | {line}");
                writeln!(log, "{line}")?;
                all.push_str(&line);
                all.push('\n');
            }
            if began.elapsed() > clock.longest_run() {
                bail!(
                    "no end in {} s; its last lines:\n{}",
                    clock.longest_run().as_secs(),
                    super::tail(&all)
                );
            }
        }
        reader.join().expect("no panic");
        let status = self.0.wait()?;
        if !status.success() {
            bail!("qemu failed: {status}; the machine's last lines:\n{}", super::tail(&all));
        }
        Ok(all)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Where it has ended, both fail, and nothing is left to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn read_chunks(mut console: impl Read, mut take: impl FnMut(Vec<u8>) -> bool) {
    let mut buffer = [0; 4096];
    while let Ok(bytes) = console.read(&mut buffer)
        && bytes > 0
        && take(buffer[..bytes].to_vec())
    {}
}

/// Without what moves a terminal's cursor.
fn plain(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    text.trim_end().chars().filter(|c| !c.is_control() || *c == '\t').collect()
}
