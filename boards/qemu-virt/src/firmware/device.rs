//! The network device as the network stack wants it.

use super::virtio::{Kind, Ram, Transport, find};
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Context;
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use virtio_drivers::device::net::VirtIONetRaw;

/// Packets that the device may deliver before we look.
const QUEUE_LEN: usize = 16;
/// Room for a packet with the device's own header; the driver wants 1526 or more.
const BUFFER_LEN: usize = 1536;
/// Bytes of an Ethernet frame without checksum.
const FRAME_LEN: usize = 1514;

type Buffers = [[u8; BUFFER_LEN]; QUEUE_LEN];

/// The network device.
pub(super) struct NetDevice {
    raw: VirtIONetRaw<Ram, Transport, QUEUE_LEN>,
    /// Where the device writes what comes in.
    buffers: &'static mut Buffers,
    /// Which buffer the device knows by which token.
    lent: [usize; QUEUE_LEN],
    /// The packet that the network stack reads; copied, so that the device has its buffer back before.
    received: [u8; FRAME_LEN],
    sending: [u8; FRAME_LEN],
}

impl NetDevice {
    /// The device, if QEMU was given one; once per start.
    pub(super) fn take() -> Option<Self> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        static mut BUFFERS: Buffers = [[0; BUFFER_LEN]; QUEUE_LEN];
        if TAKEN.swap(true, Ordering::Relaxed) {
            return None;
        }
        let raw = VirtIONetRaw::new(find(Kind::Network)?).ok()?;
        let buffers = &raw mut BUFFERS;
        // SAFETY: this place is reached once, and nobody else names this memory.
        let buffers = unsafe { &mut *buffers };
        let mut device = Self {
            raw,
            buffers,
            lent: [0; QUEUE_LEN],
            received: [0; FRAME_LEN],
            sending: [0; FRAME_LEN],
        };
        for index in 0..QUEUE_LEN {
            device.lend(index)?;
        }
        Some(device)
    }

    /// Gives a buffer to the device. Nothing if it does not take it, which leaves one buffer less.
    fn lend(&mut self, index: usize) -> Option<()> {
        let buffer = self.buffers.get_mut(index)?;
        // SAFETY: the buffer is a static's, and nobody touches it until `take_packet` is told that the
        // device is done with it.
        let token = unsafe { self.raw.receive_begin(buffer) }.ok()?;
        *self.lent.get_mut(usize::from(token))? = index;
        Some(())
    }

    /// Copies the next packet that came in and gives its buffer back; its length.
    fn take_packet(&mut self) -> Option<usize> {
        let token = self.raw.poll_receive()?;
        let index = *self.lent.get(usize::from(token))?;
        let buffer = self.buffers.get_mut(index)?;
        // SAFETY: this is the buffer that was lent under this token.
        let (header, len) = unsafe { self.raw.receive_complete(token, buffer) }.ok()?;
        let len = len.min(FRAME_LEN);
        let packet = buffer.get(header..header.checked_add(len)?)?;
        self.received.get_mut(..len)?.copy_from_slice(packet);
        self.lend(index)?;
        Some(len)
    }
}

impl Driver for NetDevice {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sending<'a>;

    // Nobody is woken when a packet comes: the executor asks again after every rest.
    fn receive(&mut self, _context: &mut Context<'_>) -> Option<(Received<'_>, Sending<'_>)> {
        let len = self.take_packet()?;
        let received = Received(self.received.get_mut(..len)?);
        let sending = Sending {
            raw: &mut self.raw,
            frame: &mut self.sending,
        };
        Some((received, sending))
    }

    fn transmit(&mut self, _context: &mut Context<'_>) -> Option<Sending<'_>> {
        Some(Sending {
            raw: &mut self.raw,
            frame: &mut self.sending,
        })
    }

    fn link_state(&mut self, _context: &mut Context<'_>) -> LinkState {
        // A cable that QEMU pulls loses packets; the agent notices that.
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME_LEN;
        capabilities.max_burst_size = Some(QUEUE_LEN);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.raw.mac_address())
    }
}

/// A packet that came in.
pub(super) struct Received<'a>(&'a mut [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

/// Room for a packet that goes out.
pub(super) struct Sending<'a> {
    raw: &'a mut VirtIONetRaw<Ram, Transport, QUEUE_LEN>,
    frame: &'a mut [u8; FRAME_LEN],
}

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        // The stack keeps to the capabilities above.
        let (frame, _rest) = self.frame.split_at_mut(len);
        let result = write(frame);
        // A packet that is lost here is sent again, as one that is lost on the way.
        let _sent = self.raw.send(frame);
        result
    }
}
