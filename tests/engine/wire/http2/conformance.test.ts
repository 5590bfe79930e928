/** RFC 9113 and RFC 7541, frame by frame: what is answered, what ends a stream, and what ends the connection. */

import { describe, expect, test } from "bun:test";

import {
  errorCode,
  frameFlag,
  frameType,
  maxWindowBytes,
  setting,
} from "../../../../src/engine/wire/http2/protocol.ts";
import {
  dataFrame,
  encodeFields,
  headersFrame,
  type Http2Client,
  http2Frame,
  requestFields,
  resetFrame,
  settingsFrame,
  windowUpdateFrame,
} from "../../../support/http2-client.ts";
import { respondWith } from "../../../support/origin.ts";
import { until } from "../../../support/wait.ts";
import { withHttp2Scene } from "./scene.ts";

/** The status of stream 1; the error of a stream; or that of the connection. */
type Outcome = number | { readonly stream: number; readonly id?: number } | { readonly connection: number };
type Row = readonly [name: string, frames: readonly Buffer[], outcome: Outcome];

const { endHeaders, endStream, padded, priority } = frameFlag;
const { protocol, streamClosed, frameSize, flowControl, compression } = errorCode;
const get = requestFields("GET", "/");
const post = requestFields("POST", "/");
const block = encodeFields(get);
const whole = headersFrame(1, get, true);
const open = headersFrame(1, post, false);
const frame = http2Frame;
const headers = (flags: number, id: number, payload: Buffer) => frame(frameType.headers, flags, id, payload);
const continuation = (flags: number, id: number, payload: Buffer) =>
  frame(frameType.continuation, flags, id, payload);
const set = (name: number, value: number) => settingsFrame([[name, value]]);
const dependency = (on: number, weight = 15) => Buffer.from([0, 0, 0, on, weight]);
const bytes = (...values: number[]) => Buffer.from(values);
const broken = { connection: protocol };

/** Never longer than a limit, so that a table stays readable. */
function withHeader(length: number, type: number, flags: number, id: number, payload: Buffer): Buffer {
  const made = frame(type, flags, id, payload);
  made.writeUIntBE(length, 0, 3);
  return made;
}

const frames: readonly Row[] = [
  ["of an unknown type are ignored (4.1)", [frame(0x42, 0xff, 5, bytes(1, 2, 3)), whole], 200],
  ["with undefined flags are served (4.1)", [headers(endHeaders | endStream | 0x42, 1, block)], 200],
  ["with the reserved bit are served (4.1)", [headers(endHeaders | endStream, 0x80000001, block)], 200],
  ["of 16 KiB are taken (4.2)", [open, dataFrame(1, Buffer.alloc(16_384), true)], 200],
  ["of more are an error (4.2)", [open, withHeader(16_385, frameType.data, endStream, 1, Buffer.alloc(16_385))], { connection: frameSize }],
  ["HEADERS of more are an error (4.2)", [withHeader(16_385, frameType.headers, 5, 1, Buffer.alloc(16_385))], { connection: frameSize }],
  ["within a block are an error (4.3)", [headers(endStream, 1, block), frame(frameType.priority, 0, 1, dependency(0))], broken],
  ["of an unknown type within a block are an error (5.5)", [headers(endStream, 1, block), frame(0x42, 0, 0)], broken],
  ["HEADERS of another stream within a block are an error (4.3)", [headers(endStream, 1, block), headersFrame(3, get, true)], broken],
  ["PUSH_PROMISE of a client is an error (8.4)", [frame(frameType.pushPromise, endHeaders, 1, bytes(0, 0, 0, 2))], broken],
]; // prettier-ignore

const states: readonly Row[] = [
  ["idle: DATA (5.1)", [dataFrame(1, "a", true)], broken],
  ["idle: RST_STREAM (5.1)", [resetFrame(1, 8)], broken],
  ["idle: WINDOW_UPDATE (5.1)", [windowUpdateFrame(1, 1)], broken],
  ["idle: CONTINUATION (6.10)", [continuation(endHeaders, 1, block)], broken],
  ["idle: PRIORITY (5.1)", [frame(frameType.priority, 0, 1, dependency(0)), whole], 200],
  ["half closed: DATA (5.1)", [headersFrame(1, requestFields("GET", "/slow"), true), dataFrame(1, "a", true)], { stream: streamClosed }],
  ["half closed: HEADERS (5.1)", [headersFrame(1, requestFields("GET", "/slow"), true), whole], { connection: streamClosed }],
  ["half closed: CONTINUATION (5.1)", [headersFrame(1, requestFields("GET", "/slow"), true), continuation(endHeaders, 1, block)], broken],
  ["half closed: WINDOW_UPDATE, PRIORITY (5.1)", [whole, windowUpdateFrame(1, 100), frame(frameType.priority, 0, 1, dependency(0))], 200],
  ["half closed: RST_STREAM (5.1)", [whole, resetFrame(1, 8), headersFrame(3, get, true)], { stream: -1 }],
  ["closed by the peer: DATA (5.1)", [open, resetFrame(1, 8), dataFrame(1, "a", true)], { connection: streamClosed }],
  ["closed by the peer: HEADERS (5.1)", [open, resetFrame(1, 8), whole], { connection: streamClosed }],
  ["closed by the peer: CONTINUATION (5.1)", [open, resetFrame(1, 8), continuation(endHeaders, 1, block)], broken],
  ["closed by the peer: WINDOW_UPDATE, RST_STREAM, PRIORITY (5.1)", [open, resetFrame(1, 8), windowUpdateFrame(1, 1), resetFrame(1, 8), frame(frameType.priority, 0, 1, dependency(0)), headersFrame(3, get, true)], { stream: -1 }],
  ["closed by us: DATA, HEADERS (5.1)", [headersFrame(1, [...post, ["Upper", "1"]], false), dataFrame(1, "a", false), headersFrame(1, [["x", "1"]], true)], { stream: protocol }],
  ["a second HEADERS that does not end (8.1)", [open, headersFrame(1, [["x", "1"]], false)], { stream: protocol }],
  ["an even id (5.1.1)", [headersFrame(2, get, true)], broken],
  ["an id below the last one (5.1.1)", [headersFrame(5, get, true), headersFrame(3, get, true)], { connection: streamClosed }],
  ["ids that leave out some (5.1.1)", [whole, headersFrame(101, get, true)], 200],
]; // prettier-ignore

const data: readonly Row[] = [
  ["on the connection (6.1)", [dataFrame(0, "a", true)], broken],
  ["with padding (6.1)", [open, frame(frameType.data, padded | endStream, 1, bytes(3, 97, 98, 0, 0, 0))], 200],
  ["with only padding (6.1)", [open, frame(frameType.data, padded | endStream, 1, bytes(3, 0, 0, 0))], 200],
  ["with more padding than payload (6.1)", [open, frame(frameType.data, padded | endStream, 1, bytes(3, 0, 0))], broken],
  ["without the length of its padding (6.1)", [open, frame(frameType.data, padded | endStream, 1)], broken],
]; // prettier-ignore

const blocks: readonly Row[] = [
  ["on the connection (6.2)", [headers(endHeaders | endStream, 0, block)], broken],
  ["with padding (6.2)", [headers(endHeaders | endStream | padded, 1, Buffer.concat([bytes(2), block, bytes(0, 0)]))], 200],
  ["with more padding than payload (6.2)", [headers(endHeaders | endStream | padded, 1, Buffer.concat([bytes(255), block.subarray(0, 20)]))], broken],
  ["with padding and a priority that leave nothing (6.2)", [headers(endHeaders | endStream | padded | priority, 1, bytes(1, 0, 0, 0, 0, 0))], { connection: frameSize }],
  ["with a priority (6.2)", [headers(endHeaders | endStream | priority, 1, Buffer.concat([dependency(0, 255), block]))], 200],
  ["with an exclusive dependency on a stream that is idle (6.2)", [headers(endHeaders | endStream | priority, 1, Buffer.concat([bytes(0x80, 0, 0, 9, 1), block]))], 200],
  ["too short for its priority (6.2)", [headers(endHeaders | endStream | priority, 1, bytes(0, 0, 0))], { connection: frameSize }],
  ["that depends on itself (RFC 7540 5.3.1)", [headers(endHeaders | endStream | priority, 1, Buffer.concat([dependency(1), block]))], { stream: protocol }],
  ["in CONTINUATION frames (6.10)", [headers(endStream, 1, block.subarray(0, 3)), continuation(0, 1, block.subarray(3, 20)), continuation(0, 1, bytes()), continuation(endHeaders, 1, block.subarray(20))], 200],
  ["in CONTINUATION frames of another stream (6.10)", [headers(endStream, 1, block.subarray(0, 3)), continuation(endHeaders, 3, block.subarray(3))], broken],
  ["in CONTINUATION frames of the connection (6.10)", [headers(endStream, 1, block.subarray(0, 3)), continuation(endHeaders, 0, block.subarray(3))], broken],
  ["that had ended (6.10)", [open, continuation(endHeaders, 1, block)], broken],
  ["that had ended in a CONTINUATION (6.10)", [headers(endStream, 1, block.subarray(0, 3)), continuation(endHeaders, 1, block.subarray(3)), continuation(endHeaders, 1, block)], broken],
  ["behind DATA (6.10)", [open, dataFrame(1, "a", false), continuation(endHeaders, 1, block)], broken],
]; // prettier-ignore

const control: readonly Row[] = [
  ["PRIORITY on the connection (6.3)", [frame(frameType.priority, 0, 0, dependency(0))], broken],
  ["PRIORITY of another size (6.3)", [open, frame(frameType.priority, 0, 1, bytes(0, 0, 0, 0))], { stream: frameSize }],
  ["PRIORITY on itself (5.3.1)", [open, frame(frameType.priority, 0, 1, dependency(1))], { stream: protocol }],
  ["RST_STREAM on the connection (6.4)", [resetFrame(0, 8)], broken],
  ["RST_STREAM of another size (6.4)", [open, frame(frameType.rstStream, 0, 1, bytes(0, 0, 0))], { connection: frameSize }],
  ["RST_STREAM with an unknown code (7)", [open, resetFrame(1, 0xff), headersFrame(3, get, true)], { stream: -1 }],
  ["SETTINGS that acknowledge with a payload (6.5)", [frame(frameType.settings, frameFlag.ack, 0, Buffer.alloc(6))], { connection: frameSize }],
  ["SETTINGS on a stream (6.5)", [frame(frameType.settings, 0, 1)], broken],
  ["SETTINGS of another size (6.5)", [frame(frameType.settings, 0, 0, Buffer.alloc(5))], { connection: frameSize }],
  ["ENABLE_PUSH of 2 (6.5.2)", [set(setting.enablePush, 2)], broken],
  ["INITIAL_WINDOW_SIZE above the maximum (6.5.2)", [set(setting.initialWindowSize, 2 ** 31)], { connection: flowControl }],
  ["MAX_FRAME_SIZE below the minimum (6.5.2)", [set(setting.maxFrameSize, 16_383)], broken],
  ["MAX_FRAME_SIZE above the maximum (6.5.2)", [set(setting.maxFrameSize, 2 ** 24)], broken],
  ["unknown settings (6.5.2)", [set(0xff, 1), whole], 200],
  ["PING on a stream (6.7)", [frame(frameType.ping, 0, 1, Buffer.alloc(8))], broken],
  ["PING of another size (6.7)", [frame(frameType.ping, 0, 0, Buffer.alloc(6))], { connection: frameSize }],
  ["GOAWAY on a stream (6.8)", [frame(frameType.goAway, 0, 1, Buffer.alloc(8))], broken],
  ["GOAWAY of another size (6.8)", [frame(frameType.goAway, 0, 0, Buffer.alloc(7))], { connection: frameSize }],
  ["GOAWAY with an unknown code (7)", [whole, frame(frameType.goAway, 0, 0, bytes(0, 0, 0, 0, 0, 0, 0, 0xff))], 200],
  ["WINDOW_UPDATE of 0 (6.9)", [windowUpdateFrame(0, 0)], broken],
  ["WINDOW_UPDATE of 0 on a stream (6.9)", [open, windowUpdateFrame(1, 0)], { stream: protocol }],
  ["WINDOW_UPDATE of another size (6.9)", [frame(frameType.windowUpdate, 0, 0, bytes(0, 0, 1))], { connection: frameSize }],
  ["a window above the maximum (6.9.1)", [windowUpdateFrame(0, maxWindowBytes)], { connection: flowControl }],
  ["a window of a stream above the maximum (6.9.1)", [open, windowUpdateFrame(1, maxWindowBytes)], { stream: flowControl }],
  ["a window above the maximum by SETTINGS (6.9.2)", [open, windowUpdateFrame(1, maxWindowBytes - 65_535), set(setting.initialWindowSize, 65_536)], { connection: flowControl }],
]; // prettier-ignore

const hpack: readonly Row[] = [
  ["an index of 0 (RFC 7541 6.1)", [headers(5, 1, Buffer.concat([block, bytes(0x80)]))], { connection: compression }],
  ["an index behind the table (RFC 7541 2.3.3)", [headers(5, 1, Buffer.concat([block, bytes(0xff, 0x00)]))], { connection: compression }],
  ["a name behind the table (RFC 7541 2.3.3)", [headers(5, 1, Buffer.concat([block, bytes(0x7f, 0x01, 1, 97)]))], { connection: compression }],
  ["a table size at the end of a block (RFC 7541 4.2)", [headers(5, 1, Buffer.concat([block, bytes(0x20)]))], { connection: compression }],
  ["a table size at the start, twice (RFC 7541 4.2)", [headers(5, 1, Buffer.concat([bytes(0x20, 0x3f, 0xe1, 0x1f), block]))], 200],
  ["a table size above the limit (RFC 7541 6.3)", [headers(5, 1, Buffer.concat([bytes(0x3f, 0xe2, 0x1f), block]))], { connection: compression }],
  ["Huffman padding of more than 7 bits (RFC 7541 5.2)", [headers(5, 1, Buffer.concat([block, bytes(0, 1, 97, 0x82, 0x1f, 0xff)]))], { connection: compression }],
  ["Huffman padding of zeros (RFC 7541 5.2)", [headers(5, 1, Buffer.concat([block, bytes(0, 1, 97, 0x81, 0x18)]))], { connection: compression }],
  ["the end of a string in Huffman code (RFC 7541 5.2)", [headers(5, 1, Buffer.concat([block, bytes(0, 1, 97, 0x84, 0xff, 0xff, 0xff, 0xff)]))], { connection: compression }],
  ["a string that is cut (RFC 7541 5.2)", [headers(5, 1, Buffer.concat([block, bytes(0, 1, 97, 5, 97)]))], { connection: compression }],
  ["an integer without an end (RFC 7541 5.1)", [headers(5, 1, Buffer.concat([block, bytes(0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)]))], { connection: compression }],
  ["fields that are never indexed (RFC 7541 6.2.3)", [headers(5, 1, Buffer.concat([block, bytes(0x10, 1, 97, 1, 98)]))], 200],
]; // prettier-ignore

const tables: Readonly<Record<string, readonly Row[]>> = {
  frames,
  "states of streams": states,
  DATA: data,
  "blocks of fields": blocks,
  "control frames": control,
  HPACK: hpack,
};

async function check(client: Http2Client, outcome: Outcome): Promise<void> {
  if (typeof outcome === "number") {
    await client.whole(1);
    return expect(client.status(1)).toBe(outcome);
  }
  if ("connection" in outcome) {
    await until(() => client.isEnded || client.isClosed, "the connection to end");
    return expect(client.goAwayCode).toBe(outcome.connection);
  }
  client.frame(frameType.ping, 0, 0, Buffer.alloc(8, 7));
  await client.received(frameType.ping);
  if (outcome.stream >= 0) await client.whole(1);
  expect([client.stream(1).resetCode, client.goAwayCode]).toEqual([outcome.stream, -1]);
  await client.get(201).whole(201);
  expect(client.status(201)).toBe(200);
}

describe.each(Object.entries(tables))("%s", (_, rows) => {
  test.each(rows)("%s", (__, sent, outcome) =>
    withHttp2Scene(
      ({ target }, socket) => void (target !== "/slow" && socket.write(respondWith("fine"))),
      async ({ client, serves }) => {
        // An acknowledgement of ours would stand within a block.
        const peer = await client({ neverAcknowledges: true });
        peer.send(Buffer.concat(sent));
        await check(peer, outcome);
        await serves();
      },
    ),
  );
});

test("a connection begins with the preface and SETTINGS (3.4)", () =>
  withHttp2Scene(
    (_, socket) => void socket.write(respondWith("fine")),
    async ({ client, serves }) => {
      const starts = [
        frame(frameType.ping, 0, 0, Buffer.alloc(8)),
        frame(frameType.settings, frameFlag.ack, 0),
        whole,
      ];
      for (const start of starts) {
        const peer = await client({ isBare: true });
        peer.send(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), start]));
        await check(peer, broken);
      }
      await serves();
    },
  ));

test("SETTINGS and PING are acknowledged, and their acknowledgements are not (6.5.3, 6.7)", () =>
  withHttp2Scene(
    (_, socket) => void socket.write(respondWith("fine")),
    async ({ client }) => {
      const peer = await client();
      peer.send(set(setting.initialWindowSize, 100)).send(set(setting.initialWindowSize, 1));
      peer.frame(frameType.ping, frameFlag.ack, 0, Buffer.alloc(8, 1));
      peer.frame(frameType.ping, 0, 0, Buffer.from("12345678"));
      const pong = await peer.received(frameType.ping);
      expect([pong.flags, pong.payload.toString()]).toEqual([frameFlag.ack, "12345678"]);
      const acknowledged = peer.frames.filter(
        ({ type, flags }) => type === frameType.settings && flags === frameFlag.ack,
      );
      expect(acknowledged).toHaveLength(3);
      peer.get(1);
      const first = await peer.received(frameType.data);
      expect(first.payload.toString()).toBe("f");
      expect((await peer.whole(1)).body.toString()).toBe("fine");
    },
  ));
