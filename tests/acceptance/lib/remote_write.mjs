// Remote-write requests by hand: the protocol buffers of 1.0 and 2.0, in snappy's block format (literals only).

const varint = (value) => {
  const out = [];
  let v = BigInt.asUintN(64, BigInt(value));
  for (; v >= 128n; v >>= 7n) out.push(Number(v & 127n) | 128);
  out.push(Number(v));
  return Buffer.from(out);
};
const field = (number, wire) => varint((number << 3) | wire);
const bytes = (number, value) => {
  const body = Buffer.isBuffer(value) ? value : Buffer.from(value);
  return Buffer.concat([field(number, 2), varint(body.length), body]);
};
const integer = (number, value) => Buffer.concat([field(number, 0), varint(value)]);
const double = (number, value) => {
  const out = Buffer.alloc(8);
  out.writeDoubleLE(value);
  return Buffer.concat([field(number, 1), out]);
};
const sample = ([seconds, value]) => Buffer.concat([double(1, value), integer(2, Math.round(seconds * 1000))]);

/** `series`: [{labels: {name: value}, samples: [[seconds, value]]}] */
export const v1 = (series) =>
  Buffer.concat(
    series.map(({ labels, samples }) =>
      bytes(
        1,
        Buffer.concat([
          ...Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => bytes(1, Buffer.concat([bytes(1, name), bytes(2, value)]))),
          ...samples.map((s) => bytes(2, sample(s))),
        ]),
      ),
    ),
  );

/** The same as 2.0; a series may also carry `exemplars`: [{labels, seconds, value}] and `help`. */
export function v2(series) {
  const symbols = [''];
  const symbol = (text) => {
    if (!symbols.includes(text)) symbols.push(text);
    return symbols.indexOf(text);
  };
  const refs = (labels) => Buffer.concat(Object.entries(labels).flatMap((pair) => pair.map((text) => varint(symbol(text)))));
  const all = series.map(({ labels, samples = [], exemplars = [], help }) =>
    bytes(
      5,
      Buffer.concat([
        bytes(1, refs(labels)),
        ...samples.map((s) => bytes(2, sample(s))),
        ...exemplars.map((e) => bytes(4, Buffer.concat([bytes(1, refs(e.labels)), double(2, e.value), integer(3, Math.round(e.seconds * 1000))]))),
        ...(help ? [bytes(5, Buffer.concat([integer(1, 1), integer(3, symbol(help))]))] : []),
      ]),
    ),
  );
  return Buffer.concat([...symbols.map((text) => bytes(4, text)), ...all]);
}

export function snappy(body) {
  const parts = [varint(body.length)];
  for (let at = 0; at < body.length; at += 65536) {
    const piece = body.subarray(at, at + 65536);
    const head = Buffer.from([61 << 2, 0, 0]);
    head.writeUInt16LE(piece.length - 1, 1);
    parts.push(head, piece);
  }
  return Buffer.concat(parts);
}

/** Sends it to a receiver; gives {status, body, headers}. */
export async function write(url, message, { type = 'application/x-protobuf', encoding = 'snappy' } = {}) {
  const response = await fetch(`${url}/api/v1/write`, {
    method: 'POST',
    headers: { 'Content-Type': type, 'Content-Encoding': encoding, 'X-Prometheus-Remote-Write-Version': '0.1.0' },
    body: snappy(message),
  });
  return { status: response.status, body: await response.text(), headers: response.headers };
}
export const V2_TYPE = 'application/x-protobuf;proto=io.prometheus.write.v2.Request';
