//! A status as metrics. The number of series is bounded by the configuration, the host's devices and the program: none has a
//! process, a peer or a file among its labels.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _, prometheus_text, text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use super::own::Taken;
use crate::daemon::{
    status::{Status, TargetStatus},
    transfers::TransferSum,
};

/// Which of the two texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// 0.0.4
    Prometheus,
    /// 1.0.0
    OpenMetrics,
}

impl Format {
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The text; without a status only what the gateway knows itself.
pub fn render(status: Option<&Status>, own: Taken, format: Format) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape { status: status.cloned(), own }));
    let mut out = String::new();
    match format {
        Format::Prometheus => prometheus_text::encode(&mut out, &registry)?,
        Format::OpenMetrics => text::encode(&mut out, &registry)?,
    }
    Ok(out)
}

#[derive(Debug)]
struct Scrape {
    status: Option<Status>,
    own: Taken,
}

/// Names and values of a series' labels.
type Labels<'a> = Vec<(&'a str, &'a str)>;

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Out(encoder);
        let up = u64::from(self.status.is_some());
        out.gauge("profiler_up", "Whether the collector answered", [(vec![], up as f64)])?;
        if let Some(status) = &self.status {
            host(status, &mut out)?;
            targets(&status.targets, &mut out)?;
            transfers(status, &mut out)?;
            collector(status, &mut out)?;
        }
        let own = self.own;
        out.float("profiler_gateway_cpu_seconds", "CPU time of the gateway", own.cpu_s)?;
        out.gauge(
            "profiler_gateway_resident_bytes",
            "Resident memory of the gateway",
            [(vec![], own.resident_bytes as f64)],
        )?;
        out.counter("profiler_gateway_scrapes", "Scrapes of the gateway", [(vec![], own.scrapes)])?;
        out.counter(
            "profiler_gateway_collector_failures",
            "Times that the collector did not answer the gateway",
            [(vec![], own.failures)],
        )
    }
}

fn host(status: &Status, out: &mut Out<'_>) -> fmt::Result {
    out.gauge(
        "profiler_build_info",
        "The collector's version, and the kernel's",
        [(vec![("version", status.profiler.as_str()), ("kernel", status.kernel.as_str())], 1.0)],
    )?;
    let devices = || {
        status.devices.iter().map(|device| {
            (device, vec![("device", device.device.as_str()), ("operation", device.operation.as_str())])
        })
    };
    out.counter(
        "profiler_device_bytes",
        "Bytes that a device of the host completed, whoever asked for them",
        devices().map(|(device, labels)| (labels, device.bytes)),
    )?;
    out.counter(
        "profiler_device_requests",
        "Requests that a device of the host completed",
        devices().map(|(device, labels)| (labels, device.requests)),
    )?;
    out.counter(
        "profiler_device_errors",
        "Requests of a device of the host that failed",
        devices().map(|(device, labels)| (labels, device.errors)),
    )
}

fn targets(targets: &[TargetStatus], out: &mut Out<'_>) -> fmt::Result {
    let each =
        |value: fn(&TargetStatus) -> u64| targets.iter().map(move |target| (of(target, &[]), value(target)));
    out.gauge(
        "profiler_target_processes",
        "Processes of a target that live",
        each(|target| target.processes).map(|(labels, value)| (labels, value as f64)),
    )?;
    out.counter(
        "profiler_target_processes_seen",
        "Processes of a target since the collector's start",
        each(|target| target.processes_seen),
    )?;
    let payload = targets.iter().flat_map(|target| {
        let moved = &target.moved;
        [
            ("tcp", "receive", moved.tcp_rx_bytes),
            ("tcp", "transmit", moved.tcp_tx_bytes),
            ("udp", "receive", moved.udp_rx_bytes),
            ("udp", "transmit", moved.udp_tx_bytes),
        ]
        .map(|(protocol, direction, bytes)| {
            (of(target, &[("protocol", protocol), ("direction", direction)]), bytes)
        })
    });
    out.counter(
        "profiler_target_payload_bytes",
        "Payload that a target's own calls moved over sockets",
        payload,
    )?;
    let peer = targets.iter().flat_map(|target| {
        let moved = &target.moved;
        [("receive", moved.peer_rx_bytes), ("transmit", moved.peer_tx_bytes)]
            .map(|(direction, bytes)| (of(target, &[("direction", direction)]), bytes))
    });
    out.counter("profiler_target_peer_payload_bytes", "The same without control traffic", peer)?;
    out.counter(
        "profiler_target_bypassed_bytes",
        "Received by ways that no call's result tells of, as splice; known when a connection ends",
        each(|target| target.moved.bypassed_rx_bytes),
    )?;
    out.counter(
        "profiler_target_retransmits",
        "Segments that a target's connections sent again",
        each(|target| target.moved.retransmits),
    )?;
    out.counter(
        "profiler_target_dirtied_bytes",
        "Pages of files that a target made dirty",
        each(|target| target.moved.dirtied_bytes),
    )?;
    let submitted = targets.iter().flat_map(|target| {
        let moved = &target.moved;
        [("read", moved.submitted_read_bytes), ("write", moved.submitted_written_bytes)]
            .map(|(operation, bytes)| (of(target, &[("operation", operation)]), bytes))
    });
    out.counter(
        "profiler_target_submitted_bytes",
        "Bytes that a target submitted to devices itself: reads and direct writes, not what is written back later",
        submitted,
    )
}

fn transfers(status: &Status, out: &mut Out<'_>) -> fmt::Result {
    out.gauge(
        "profiler_transfers_running",
        "Transfers that were marked as begun, and not yet as ended",
        status.targets.iter().map(|target| {
            let running = status.transfers_running.get(&target.name).copied().unwrap_or(0);
            (vec![("target", target.name.as_str())], running as f64)
        }),
    )?;
    fn of(sum: &TransferSum) -> Labels<'_> {
        vec![("target", &sum.target), ("direction", sum.direction.name()), ("outcome", &sum.outcome)]
    }
    let each = |value: fn(&TransferSum) -> u64| status.transfers.iter().map(move |sum| (of(sum), value(sum)));
    out.counter("profiler_transfers", "Transfers that were marked as ended", each(|sum| sum.transfers))?;
    out.counter(
        "profiler_transfer_file_bytes",
        "Sizes of these transfers, by the marks' word",
        each(|sum| sum.file_bytes),
    )?;
    out.counter(
        "profiler_transfer_kernel_bytes",
        "Payload that the kernel counted from begin to end of these transfers",
        each(|sum| sum.kernel_bytes),
    )?;
    out.floats(
        "profiler_transfer_seconds",
        "Seconds from begin to end of these transfers",
        status.transfers.iter().map(|sum| (of(sum), sum.seconds)),
    )
}

fn collector(status: &Status, out: &mut Out<'_>) -> fmt::Result {
    let cost = &status.cost;
    let plain = |value: f64| [(vec![], value)];
    out.gauge(
        "profiler_collector_start_time_seconds",
        "When the collector started",
        plain(status.started_s),
    )?;
    out.gauge(
        "profiler_collector_sweep_time_seconds",
        "When it read the counters last",
        plain(status.swept_s),
    )?;
    out.float("profiler_collector_cpu_seconds", "CPU time of the collector", cost.cpu_s)?;
    out.gauge(
        "profiler_collector_resident_bytes",
        "Resident memory of the collector, without the probes' maps",
        plain(cost.resident_bytes as f64),
    )?;
    out.gauge("profiler_collector_map_bytes", "Memory of the probes' maps", plain(cost.map_bytes as f64))?;
    out.counter(
        "profiler_collector_log_suppressed",
        "Messages of the log that were left out",
        [(vec![], status.log_suppressed)],
    )?;
    out.counter(
        "profiler_lost",
        "What was not counted, by class",
        status.lost.iter().map(|(class, count)| (vec![("class", class.as_str())], *count)),
    )?;
    let tables = || status.tables.iter().map(|table| (table, vec![("table", table.table.as_str())]));
    out.gauge(
        "profiler_table_entries",
        "Places of the probes' tables that are taken",
        tables().map(|(table, labels)| (labels, table.entries as f64)),
    )?;
    out.gauge(
        "profiler_table_capacity",
        "Places of the probes' tables",
        tables().map(|(table, labels)| (labels, table.capacity as f64)),
    )?;
    out.gauge(
        "profiler_family_attached",
        "Whether a whole probe family is attached",
        status
            .families
            .iter()
            .map(|one| (vec![("family", one.family.as_str())], f64::from(u8::from(one.attached)))),
    )
}

fn of<'a>(target: &'a TargetStatus, more: &[(&'a str, &'a str)]) -> Labels<'a> {
    let labels = [("target", target.name.as_str()), ("system", &target.system), ("role", &target.role)];
    labels.into_iter().chain(more.iter().copied()).collect()
}

/// Writes metrics. `_total` is added to the names of counters.
struct Out<'e>(DescriptorEncoder<'e>);

impl Out<'_> {
    fn counter<'a>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'a>, u64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in series {
            ConstCounter::new(value).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn float(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.floats(name, help, [(vec![], value)])
    }

    fn floats<'a>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'a>, f64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in series {
            ConstCounter::new(value).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn gauge<'a>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'a>, f64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in series {
            ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
