static P: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/profiler-ebpf"));
fn main() {
    println!("{}", P.len());
}
