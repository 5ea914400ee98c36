/* SPDX-License-Identifier: Apache-2.0 */
/* National Semiconductor's PC16550D: a serial port.  Bytes leave at once, whatever the baud rate;
 * received bytes below the trigger level count as timed out at once. */
#include <string.h>

#include "devices/device.h"
#include "devices/host/chardev.h"

enum { FIFO = 16, BANK_BYTES = 0x100 };

enum { IER_RX = 1, IER_TX = 2, IER_LINE = 4, IER_MODEM = 8 };
enum { IIR_MODEM = 0, IIR_NONE = 1, IIR_TX = 2, IIR_RX = 4, IIR_LINE = 6, IIR_TIMEOUT = 12,
       IIR_FIFO = 0xc0 };
enum { FCR_ENABLE = 1, FCR_CLEAR_RX = 2, FCR_CLEAR_TX = 4 };
enum { LCR_DLAB = 0x80 };
enum { MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_OUT2 = 8, MCR_LOOP = 0x10 };
enum { LSR_READY = 1, LSR_OVERRUN = 2, LSR_BREAK = 0x10, LSR_ERRORS = 0x1e,
       LSR_THR_EMPTY = 0x20, LSR_TX_EMPTY = 0x40 };
enum { MSR_DELTAS = 0xf, MSR_CTS = 0x10, MSR_DSR = 0x20, MSR_RI = 0x40, MSR_DCD = 0x80 };

typedef struct Uart {
    Dev dev;
    Chardev *chardev;
    ChardevPort port;
    uint8_t divisor_low, divisor_high;
    uint8_t ier, fcr, lcr, mcr, lsr, msr, scr;
    uint8_t rx[FIFO], rx_first, rx_count;
    uint8_t tx[FIFO], tx_count; /* what the chardev did not take yet */
    bool tx_pending;            /* the "transmitter is empty" interrupt */
} Uart;

static Uart *uart_of(Dev *dev)
{
    return (Uart *)dev;
}

static unsigned capacity(const Uart *u)
{
    return u->fcr & FCR_ENABLE ? FIFO : 1;
}

static unsigned trigger_level(const Uart *u)
{
    static const uint8_t levels[] = { 1, 4, 8, 14 };

    return u->fcr & FCR_ENABLE ? levels[u->fcr >> 6] : 1;
}

/* The most important interrupt, as IIR shows it. */
static unsigned interrupt_of(const Uart *u)
{
    if ((u->ier & IER_LINE) && (u->lsr & LSR_ERRORS)) {
        return IIR_LINE;
    }
    if ((u->ier & IER_RX) && u->rx_count) {
        return u->rx_count >= trigger_level(u) ? IIR_RX : IIR_TIMEOUT;
    }
    if ((u->ier & IER_TX) && u->tx_pending) {
        return IIR_TX;
    }
    return (u->ier & IER_MODEM) && (u->msr & MSR_DELTAS) ? IIR_MODEM : IIR_NONE;
}

static void update(Uart *u)
{
    u->lsr = (uint8_t)((u->lsr & ~LSR_READY) | (u->rx_count ? LSR_READY : 0));
    irq_set(&u->dev.irq[0], interrupt_of(u) != IIR_NONE);
}

static void push(Uart *u, uint8_t byte)
{
    if (u->rx_count == capacity(u)) {
        u->lsr |= LSR_OVERRUN;
        return;
    }
    u->rx[(u->rx_first + u->rx_count++) % FIFO] = byte;
}

/* Sends what waits; the transmitter is empty again when all of it has gone. */
static void drain(Uart *u)
{
    size_t sent = chardev_write(&u->port, u->tx, u->tx_count);

    memmove(u->tx, u->tx + sent, u->tx_count - sent);
    u->tx_count = (uint8_t)(u->tx_count - sent);
    if (!u->tx_count) {
        u->lsr |= LSR_THR_EMPTY | LSR_TX_EMPTY;
        u->tx_pending = true;
    }
}

static void transmit(Uart *u, uint8_t byte)
{
    u->tx_pending = false;
    if (u->mcr & MCR_LOOP) {
        push(u, byte);
        u->tx_pending = true;
    } else if (u->tx_count < FIFO) {
        u->tx[u->tx_count++] = byte;
        u->lsr &= (uint8_t)~(LSR_THR_EMPTY | LSR_TX_EMPTY);
        drain(u);
    }
    update(u);
}

/* ---- Registers ---- */

static uint64_t data_read(Dev *dev, unsigned index, uint64_t stored)
{
    Uart *u = uart_of(dev);
    uint8_t byte;

    (void)index;
    (void)stored;
    if (u->lcr & LCR_DLAB) {
        return u->divisor_low;
    }
    byte = u->rx[u->rx_first];
    if (u->rx_count) {
        u->rx_first = (u->rx_first + 1) % FIFO;
        u->rx_count--;
        chardev_accept(&u->port);
    }
    update(u);
    return byte;
}

static void data_wrote(Dev *dev, unsigned index, uint64_t value)
{
    Uart *u = uart_of(dev);

    (void)index;
    if (u->lcr & LCR_DLAB) {
        u->divisor_low = (uint8_t)value;
    } else {
        transmit(u, (uint8_t)value);
    }
}

static uint64_t ier_read(Dev *dev, unsigned index, uint64_t stored)
{
    Uart *u = uart_of(dev);

    (void)index;
    (void)stored;
    return u->lcr & LCR_DLAB ? u->divisor_high : u->ier;
}

static void ier_wrote(Dev *dev, unsigned index, uint64_t value)
{
    Uart *u = uart_of(dev);

    (void)index;
    if (u->lcr & LCR_DLAB) {
        u->divisor_high = (uint8_t)value;
        return;
    }
    /* Enabling it raises it when the transmitter is empty already. */
    if ((value & ~(uint64_t)u->ier & IER_TX) && (u->lsr & LSR_THR_EMPTY)) {
        u->tx_pending = true;
    }
    u->ier = value & 0xf;
    update(u);
}

static uint64_t iir_read(Dev *dev, unsigned index, uint64_t stored)
{
    Uart *u = uart_of(dev);
    unsigned iir = interrupt_of(u);

    (void)index;
    (void)stored;
    if (iir == IIR_TX) {
        u->tx_pending = false;
        update(u);
    }
    return iir | (u->fcr & FCR_ENABLE ? IIR_FIFO : 0);
}

static void fcr_wrote(Dev *dev, unsigned index, uint64_t value)
{
    Uart *u = uart_of(dev);

    (void)index;
    if ((value ^ u->fcr) & FCR_ENABLE) {
        value |= FCR_CLEAR_RX | FCR_CLEAR_TX;
    }
    if (value & FCR_CLEAR_RX) {
        u->rx_count = 0;
        u->lsr &= (uint8_t)~LSR_BREAK;
        chardev_accept(&u->port);
    }
    if (value & FCR_CLEAR_TX) {
        u->tx_count = 0;
        u->lsr |= LSR_THR_EMPTY | LSR_TX_EMPTY;
        u->tx_pending = true;
    }
    u->fcr = value & 0xc9;
    update(u);
}

static void mcr_wrote(Dev *dev, unsigned index, uint64_t value)
{
    Uart *u = uart_of(dev);

    (void)index;
    if (!(value & MCR_LOOP)) {
        chardev_accept(&u->port);
    }
}

static uint64_t lsr_read(Dev *dev, unsigned index, uint64_t stored)
{
    Uart *u = uart_of(dev);

    (void)index;
    if (stored & LSR_ERRORS) {
        u->lsr &= (uint8_t)~LSR_ERRORS;
        update(u);
    }
    return stored;
}

/* In loopback the modem's outputs are its inputs. */
static uint64_t msr_read(Dev *dev, unsigned index, uint64_t stored)
{
    Uart *u = uart_of(dev);

    (void)index;
    if (u->mcr & MCR_LOOP) {
        return (u->mcr & MCR_RTS ? MSR_CTS : 0) | (u->mcr & MCR_DTR ? MSR_DSR : 0) |
               (u->mcr & MCR_OUT1 ? MSR_RI : 0) | (u->mcr & MCR_OUT2 ? MSR_DCD : 0);
    }
    u->msr &= (uint8_t)~MSR_DELTAS;
    update(u);
    return stored;
}

#define AT(member) offsetof(Uart, member)
enum { ANY = 1 | 2 | 4 | 8 };

static const DevReg regs[] = {
    { "RBR_THR_DLL", 0, 1, ANY, .read = data_read, .wrote = data_wrote },
    { "IER_DLM", 1, 1, ANY, .read = ier_read, .wrote = ier_wrote },
    { "IIR_FCR", 2, 1, ANY, .read = iir_read, .wrote = fcr_wrote },
    { "LCR", 3, 1, ANY, .field = AT(lcr), .rw = 0xff },
    { "MCR", 4, 1, ANY, .field = AT(mcr), .rw = 0x1f, .reset = MCR_OUT2, .wrote = mcr_wrote },
    { "LSR", 5, 1, ANY, .field = AT(lsr), .reset = LSR_THR_EMPTY | LSR_TX_EMPTY, .read = lsr_read },
    { "MSR", 6, 1, ANY, .field = AT(msr), .reset = MSR_DCD | MSR_DSR | MSR_CTS, .read = msr_read },
    { "SCR", 7, 1, ANY, .field = AT(scr), .rw = 0xff },
};

static const DevBank banks[] = { { "registers", BANK_BYTES, regs, G_N_ELEMENTS(regs), NULL } };

static const DevField fields[] = {
    DEV_FIELD(Uart, divisor_low), DEV_FIELD(Uart, divisor_high), DEV_FIELD(Uart, ier),
    DEV_FIELD(Uart, fcr),         DEV_FIELD_ARRAY(Uart, rx),     DEV_FIELD(Uart, rx_first),
    DEV_FIELD(Uart, rx_count),    DEV_FIELD_ARRAY(Uart, tx),     DEV_FIELD(Uart, tx_count),
    DEV_FIELD(Uart, tx_pending),
};

/* ---- The other end ---- */

static size_t port_room(void *opaque)
{
    Uart *u = opaque;
    size_t room;

    pthread_mutex_lock(u->dev.lock);
    room = u->mcr & MCR_LOOP ? 0 : capacity(u) - (u->rx_count < capacity(u) ? u->rx_count : capacity(u));
    pthread_mutex_unlock(u->dev.lock);
    return room;
}

static void port_receive(void *opaque, const uint8_t *data, size_t n)
{
    Uart *u = opaque;

    pthread_mutex_lock(u->dev.lock);
    for (size_t i = 0; i < n; i++) {
        push(u, data[i]);
    }
    update(u);
    pthread_mutex_unlock(u->dev.lock);
}

static void port_event(void *opaque, ChardevEvent event)
{
    Uart *u = opaque;

    if (event != CHARDEV_break) {
        return;
    }
    pthread_mutex_lock(u->dev.lock);
    push(u, 0);
    u->lsr |= LSR_BREAK;
    update(u);
    pthread_mutex_unlock(u->dev.lock);
}

static void port_sent(void *opaque)
{
    Uart *u = opaque;

    pthread_mutex_lock(u->dev.lock);
    if (u->tx_count) {
        drain(u);
        update(u);
    }
    pthread_mutex_unlock(u->dev.lock);
}

static const ChardevOps port_ops = { port_room, port_receive, port_event, port_sent };

/* ---- The device ---- */

static bool realize(Dev *dev, GError **error)
{
    Uart *u = uart_of(dev);

    if (u->chardev && !chardev_attach(&u->port, u->chardev, &port_ops, u)) {
        g_set_error(error, DEV_ERROR, 0, "chardev '%s' is in use", chardev_id(u->chardev));
        return false;
    }
    return true;
}

static void unrealize(Dev *dev)
{
    chardev_detach(&uart_of(dev)->port);
}

static void reset(Dev *dev)
{
    Uart *u = uart_of(dev);

    u->divisor_low = 12; /* 9600 baud, as PCs come up */
    u->divisor_high = 0;
    u->ier = u->fcr = 0;
    memset(u->rx, 0, sizeof(u->rx));
    memset(u->tx, 0, sizeof(u->tx));
    u->rx_first = u->rx_count = u->tx_count = 0;
    u->tx_pending = false;
    update(u);
    chardev_accept(&u->port);
}

/* A snapshot may say anything. */
static void loaded(Dev *dev)
{
    Uart *u = uart_of(dev);

    u->rx_first %= FIFO;
    u->rx_count = u->rx_count > FIFO ? FIFO : u->rx_count;
    u->tx_count = u->tx_count > FIFO ? FIFO : u->tx_count;
    update(u);
    chardev_accept(&u->port);
}

static const DevProp props[] = {
    { "chardev", DEV_PROP_chardev, offsetof(Uart, chardev), "where the bytes go and come from", 0 },
};

const DevType dev_ns16550a = {
    .name = "ns16550a",
    .summary = "serial port",
    .size = sizeof(Uart),
    .isolation = DEV_ISOLATION_yes,
    .banks = banks,
    .n_banks = 1,
    .n_irqs = 1,
    .fields = fields,
    .n_fields = G_N_ELEMENTS(fields),
    .props = props,
    .n_props = G_N_ELEMENTS(props),
    .realize = realize,
    .unrealize = unrealize,
    .reset = reset,
    .loaded = loaded,
};
