import { describe, expect, test } from "bun:test";

import { FieldList, spanStride } from "../../../../src/engine/wire/http2/field-list.ts";
import { HpackDecoder } from "../../../../src/engine/wire/http2/hpack-decoder.ts";
import { HeaderBlock } from "../../../../src/engine/wire/http2/hpack-encoder.ts";
import { decodeHuffman } from "../../../../src/engine/wire/http2/huffman.ts";
import { seededRandom } from "../../../../src/lib/random.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ""), "hex");

function fieldsOf(list: FieldList): string[] {
  return Array.from({ length: list.count }, (_, field) => {
    const [a, b, c, d] = list.spans.subarray(field * spanStride) as unknown as [
      number,
      number,
      number,
      number,
    ];
    return `${list.bytes.toString("latin1", a, b)}: ${list.bytes.toString("latin1", c, d)}`;
  });
}

/** Decodes blocks of one connection. @returns the fields of the last one; "malformed" */
function decode(...blocks: readonly Buffer[]): string[] | "malformed" {
  const decoder = new HpackDecoder();
  const list = new FieldList(32_768);
  for (const block of blocks) if (!decoder.decode(block, list)) return "malformed";
  return fieldsOf(list);
}

/** RFC 7541 appendix C.3 and C.4: three requests of one connection, without and with Huffman coding. */
const requests = [
  [
    ["8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff"],
    [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"],
  ],
  [
    ["8286 84be 5808 6e6f 2d63 6163 6865", "8286 84be 5886 a8eb 1064 9cbf"],
    [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com", "cache-control: no-cache"],
  ],
  [
    [
      "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
      "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ],
    [
      ":method: GET",
      ":scheme: https",
      ":path: /index.html",
      ":authority: www.example.com",
      "custom-key: custom-value",
    ],
  ],
] as const;

/** RFC 7541 appendix C.6.1 to C.6.3, with a table of 256 bytes: here it is set by a table size update in the first block. */
const responses = [
  "3fe1 01 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
  "4883 640e ffc1 c0bf",
  "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
];

describe("HPACK", () => {
  test.each([0, 1] as const)("decodes the requests of RFC 7541, appendix C.3 and C.4 (%i)", (column) => {
    for (let count = 1; count <= requests.length; count++) {
      const blocks = requests.slice(0, count).map(([texts]) => hex(texts[column]));
      expect(decode(...blocks)).toEqual([...(requests[count - 1]?.[1] ?? [])]);
    }
  });

  test("decodes the responses of RFC 7541, appendix C.6, which evict entries", () => {
    expect(decode(...responses.map(hex))).toEqual([
      ":status: 200",
      "cache-control: private",
      "date: Mon, 21 Oct 2013 20:13:22 GMT",
      "location: https://www.example.com",
      "content-encoding: gzip",
      "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
    ]);
  });

  test.each([
    ["an index of 0", "80"],
    ["an index behind the tables", "be"],
    ["a name index behind the tables", "7f 20 01 61"],
    ["an integer that does not end", "ff ff ff ff ff ff ff"],
    ["an integer that is too large", "ff ff ff ff ff 7f"],
    ["a string that is longer than the block", "40 0a 61"],
    ["a missing value", "40 01 61"],
    ["a table size update behind a field", "82 20"],
    ["a table size above ours", "3f e2 1f"],
    ["the end of string in Huffman code", "40 84 ff ff ff ff 01 61"],
    ["padding of Huffman code that is not all ones", "40 81 18 01 61"],
    ["more than seven bits of padding", "40 82 1f ff 01 61"],
  ])("rejects %s", (_, text) => {
    expect(decode(hex(text))).toBe("malformed");
  });

  test("never reads or writes outside its buffers, whatever the bytes are", () => {
    const random = seededRandom(7);
    const list = new FieldList(512);
    for (let round = 0; round < 20_000; round++) {
      const block = Buffer.from(
        Array.from({ length: 1 + Math.floor(random() * 60) }, () => Math.floor(random() * 256)),
      );
      new HpackDecoder().decode(block, list);
      expect(list.length).toBeLessThanOrEqual(list.maxBytes);
      expect(list.count).toBeLessThanOrEqual(16);
    }
  });

  test("keeps no more than the limit of a list, in work that is linear in the block", () => {
    const list = new FieldList(4_096);
    const decoder = new HpackDecoder();
    // One field of 4,000 bytes in the table, named by each of 60,000 following bytes.
    const value = Buffer.alloc(4_000, "a");
    const block = Buffer.concat([hex("40 01 62 7f a1 1e"), value, Buffer.alloc(60_000, 0xbe)]);
    const startedAt = performance.now();
    expect(decoder.decode(block, list)).toBe(true);
    expect(list.isTooLarge).toBe(true);
    expect(list.length).toBeLessThanOrEqual(4_096);
    expect(performance.now() - startedAt).toBeLessThan(500);
  });

  test("decodes what the encoder writes, with names in lower case", () => {
    const block = new HeaderBlock();
    block.begin();
    block.addStatus(200);
    block.addStatus(299);
    const add = (name: string, value: string) => {
      const bytes = Buffer.from(name + value, "latin1");
      block.add(bytes, { from: 0, to: name.length }, name.length, bytes.length);
    };
    const long = "v".repeat(3_000);
    add("Content-Type", "text/plain");
    add("X-Custom", "");
    add("X-".padEnd(200, "n"), long);
    add("Set-Cookie", "a=\xe9");
    expect(decode(Buffer.from(block.bytes.subarray(0, block.length)))).toEqual([
      ":status: 200",
      ":status: 299",
      "content-type: text/plain",
      "x-custom: ",
      `${"x-".padEnd(200, "n")}: ${long}`,
      "set-cookie: a=\xe9",
    ]);
  });

  test("decodes every byte in Huffman code", () => {
    // The codes of RFC 7541 appendix B for 0, "a", "z", 0x7f and 0xff, each padded with ones to whole bytes.
    const codes = [
      [0x00, "1111111111000"],
      [0x61, "00011"],
      [0x7a, "1111011"],
      [0x7f, "1111111111111111111111111100"],
      [0xff, "11111111111111111111101110"],
    ] as const;
    for (const [symbol, bits] of codes) {
      const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, "1");
      const bytes = Buffer.from((padded.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
      const target = Buffer.alloc(16);
      expect([decodeHuffman(bytes, { from: 0, to: bytes.length }, target, 0), target[0]]).toEqual([
        1,
        symbol,
      ]);
    }
  });
});
