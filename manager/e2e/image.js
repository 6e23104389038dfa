// A signed image in MCUboot's format, as docs/formats describe it: what `otaru build` makes, small.
import { createHash, createPrivateKey, createPublicKey, sign } from "node:crypto";

const HEADER_LEN = 0x200;
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

/** A key that is the same in every run. */
export function signingKey(seed = 7) {
  const der = Buffer.concat([PKCS8_PREFIX, Buffer.alloc(32, seed)]);
  const secret = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const spki = createPublicKey(secret).export({ format: "der", type: "spki" });
  const pem = createPublicKey(secret).export({ format: "pem", type: "spki" });
  return { secret, spki, pem, hex: spki.subarray(-32).toString("hex") };
}

function area(magic, entries) {
  const parts = entries.map(([kind, data]) => {
    const head = Buffer.alloc(4);
    head.writeUInt16LE(kind, 0);
    head.writeUInt16LE(data.length, 2);
    return Buffer.concat([head, data]);
  });
  const data = Buffer.concat(parts);
  const info = Buffer.alloc(4);
  info.writeUInt16LE(magic, 0);
  info.writeUInt16LE(data.length + 4, 2);
  return Buffer.concat([info, data]);
}

/** The complete image file of a version, with its label and security counter. */
export function image(label, key, { len = 40_000, counter = 1 } = {}) {
  const payload = Buffer.alloc(len, `firmware ${label} `);
  const count = Buffer.alloc(4);
  count.writeUInt32LE(counter);
  const signed = area(0x6908, [[0x50, count], [0xa0, Buffer.from(label)]]);
  const header = Buffer.alloc(HEADER_LEN, 0xff);
  header.writeUInt32LE(0x96f3b83d, 0);
  header.writeUInt32LE(0, 4);
  header.writeUInt16LE(HEADER_LEN, 8);
  header.writeUInt16LE(signed.length, 10);
  header.writeUInt32LE(payload.length, 12);
  header.writeUInt32LE(0, 16);
  header.fill(0, 20, 32);
  header[20] = 1;
  const hashed = Buffer.concat([header, payload, signed]);
  const hash = createHash("sha256").update(hashed).digest();
  const keyHash = createHash("sha256").update(key.spki).digest();
  const unsigned = area(0x6907, [[0x10, hash], [0x01, keyHash], [0x24, sign(null, hash, key.secret)]]);
  return Buffer.concat([hashed, unsigned]);
}

export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
