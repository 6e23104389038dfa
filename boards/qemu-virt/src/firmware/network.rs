//! TCP of the machine, over QEMU's user network.

use super::device::NetDevice;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::sync::atomic::{AtomicBool, Ordering};
use edge_nal::TcpConnect;
use edge_nal_embassy::{Tcp, TcpBuffers, TcpError, TcpSocket};
use embassy_net::{Config, Ipv4Cidr, Runner, StackResources, StaticConfigV4};

/// Our address in QEMU's user network.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
/// The name of QEMU's own machine there: what is sent to this address goes to that machine's loopback.
const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// Connections at the same time: one of the agent, and one of the application.
const SOCKETS: usize = 2;
/// Bytes that may wait to be sent, and to be read.
const SEND_LEN: usize = 0x1000;
const RECEIVE_LEN: usize = 0x4000;

type Buffers = TcpBuffers<SOCKETS, SEND_LEN, RECEIVE_LEN>;

/// What moves packets between device and connections; runs beside the firmware.
pub(super) type PacketRunner = Runner<'static, NetDevice>;

/// Connects to TCP servers. The loopback address means that of the machine on which QEMU runs, so
/// that a device in QEMU reaches a manager there by the address that the manager itself says.
///
/// Without a network device a connection is waited for in vain.
#[derive(Clone, Copy)]
pub struct QemuNetwork {
    tcp: Option<Tcp<'static>>,
}

impl QemuNetwork {
    /// The network, and what has to run for it; once per start.
    pub(super) fn take(seed: u64) -> (Self, Option<PacketRunner>) {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        static mut RESOURCES: StackResources<{ SOCKETS + 1 }> = StackResources::new();
        static mut BUFFERS: Buffers = Buffers::new();
        let first = !TAKEN.swap(true, Ordering::Relaxed);
        let Some(device) = first.then(NetDevice::take).flatten() else {
            return (Self { tcp: None }, None);
        };
        let resources = &raw mut RESOURCES;
        // SAFETY: this place is reached once, and nobody else names this memory.
        let resources = unsafe { &mut *resources };
        let buffers = &raw const BUFFERS;
        // SAFETY: as above; from here on it is only ever shared, on the one thread there is.
        let buffers: &'static Buffers = unsafe { &*buffers };
        let config = Config::ipv4_static(StaticConfigV4 {
            address: Ipv4Cidr::new(ADDRESS, 24),
            gateway: Some(HOST),
            dns_servers: core::iter::empty().collect(),
        });
        let (stack, runner) = embassy_net::new(device, config, resources, seed);
        let tcp = Some(Tcp::new(stack, buffers));
        (Self { tcp }, Some(runner))
    }
}

/// Where QEMU's user network has what is called `remote` on QEMU's own machine.
fn routed(remote: SocketAddr) -> SocketAddr {
    let ip = match remote.ip() {
        ip if ip.is_loopback() => IpAddr::V4(HOST),
        ip => ip,
    };
    SocketAddr::new(ip, remote.port())
}

impl TcpConnect for QemuNetwork {
    type Error = TcpError;
    type Socket<'a>
        = TcpSocket<'a>
    where
        Self: 'a;

    async fn connect(&self, remote: SocketAddr) -> Result<TcpSocket<'_>, TcpError> {
        match &self.tcp {
            Some(tcp) => tcp.connect(routed(remote)).await,
            None => core::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_qemus_machine_and_everything_else_itself() {
        for (remote, expected) in [
            ("127.0.0.1:8480", "10.0.2.2:8480"),
            ("[::1]:80", "10.0.2.2:80"),
            ("192.0.2.7:443", "192.0.2.7:443"),
        ] {
            let remote = remote.parse().expect("an address");
            assert_eq!(routed(remote).to_string(), expected);
        }
    }
}
