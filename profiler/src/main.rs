use profiler::*;
use std::{path::Path, time::Duration};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    if a[1] == "doctor" {
        print!("{}", doctor::text(&doctor::examine()));
        return;
    }
    let _ = std::fs::remove_file("/tmp/t.capture");
    let r = recording::start(
        Path::new("/tmp/t.capture"),
        &attach::Settings::default(),
        &recording::Subject::default(),
    )
    .unwrap();
    for p in &a[1..] {
        r.register(p.parse().unwrap()).unwrap();
    }
    std::thread::sleep(Duration::from_secs(3));
    println!("{:?}", r.status());
    r.finish("done").unwrap();
    let mut c = capture::read(Path::new("/tmp/t.capture")).unwrap();
    while let Some(x) = c.next().unwrap() {
        println!("{}", serde_json::to_string(&x).unwrap());
    }
    println!("{:?}", c.ending());
}
