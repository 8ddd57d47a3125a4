// What this page and the server say to each other: frames, as serving/frames.py describes them.

import { text } from "./language.js";

const MOST = 1 << 20; // bytes of a message: the server ends the connection of a page that sends more
const KINDS = { float32: Float32Array, uint8: Uint8Array, int32: Int32Array };
const ALIGNED = 8; // bytes

function aligned(length) {
  return Math.ceil(length / ALIGNED) * ALIGNED;
}

// A frame's bytes. arrays: { name: { data: a typed array, shape: [..] } }.
export function pack(kind, fields = {}, arrays = {}) {
  const described = Object.entries(arrays).map(([name, { data, shape }]) => [name, dtypeOf(data), shape]);
  let header = new TextEncoder().encode(JSON.stringify({ kind, ...fields, arrays: described }));
  const begin = aligned(4 + header.length);
  let end = begin;
  const places = [];
  for (const { data } of Object.values(arrays)) {
    places.push(end);
    end = aligned(end + data.byteLength);
  }
  const bytes = new Uint8Array(end).fill(32, 0, begin);
  new DataView(bytes.buffer).setUint32(0, begin - 4, true);
  bytes.set(header, 4);
  Object.values(arrays).forEach(({ data }, i) => {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), places[i]);
  });
  return bytes;
}

// { kind, fields.., arrays: { name: { data, shape } } }; the arrays are views of the message.
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const arrays = {};
  let place = 4 + length;
  for (const [name, dtype, shape] of header.arrays) {
    const data = new KINDS[dtype](buffer, place, shape.reduce((a, b) => a * b, 1));
    arrays[name] = { data, shape };
    place = aligned(place + data.byteLength);
  }
  return { ...header, arrays };
}

function dtypeOf(data) {
  const found = Object.entries(KINDS).find(([, kind]) => data instanceof kind);
  if (!found) throw new TypeError("frames hold Float32Array, Uint8Array and Int32Array only");
  return found[0];
}

// The connection of a page. on("kind", frame => ..) hears what comes; ask("kind", fields, arrays) sends.
// It connects again by itself, and tells "open" and "closed", which are no kinds of the server's.
export class Wire {
  constructor(room) {
    this.address = new URL(`/${room}/socket`.replace("//", "/"), location.href);
    this.address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this.listeners = new Map();
    this.delay = 250; // milliseconds until it tries again
    this.refused = false;
    this.connect();
  }

  connect() {
    const socket = new WebSocket(this.address);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.delay = 250;
      this.tell("open", {});
    };
    socket.onmessage = ({ data }) => {
      const frame = unpack(data);
      if (frame.kind === "refused") this.refused = true;
      this.tell(frame.kind, frame);
    };
    socket.onclose = () => {
      this.tell("closed", { refused: this.refused });
      if (this.refused) return; // it would be refused again
      setTimeout(() => this.connect(), this.delay);
      this.delay = Math.min(2 * this.delay, 5000);
    };
    this.socket = socket;
  }

  get isOpen() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  on(kind, listener) {
    if (!this.listeners.has(kind)) this.listeners.set(kind, []);
    this.listeners.get(kind).push(listener);
  }

  tell(kind, frame) {
    for (const listener of this.listeners.get(kind) ?? []) listener(frame);
  }

  // Whether it was sent: nothing is kept for later while there is no connection. What is too large is an error here.
  ask(kind, fields = {}, arrays = {}) {
    if (!this.isOpen) return false;
    const bytes = pack(kind, fields, arrays);
    if (bytes.length > MOST) this.tell("error", { about: kind, text: text("frame.large") });
    else this.socket.send(bytes);
    return bytes.length <= MOST;
  }
}
