/** Laws for the URL of a request: the handler's guard and router must parse it to the same path on every runtime. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import type { RuntimeLaw } from "./runtime-laws.ts";
import { serving } from "./fixture.ts";

/** The path of a URL for a parser that searches for the first slash and the first question mark. */
function pathIn(address: string): string {
  const start = address.indexOf("/", address.indexOf("//") + 2);
  const query = address.indexOf("?", start);
  return address.slice(start, query < 0 ? undefined : query);
}

/** @returns the whole response */
async function sendRaw(port: number, request: string): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1" });
  let received = "";
  socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
  socket.on("error", () => {});
  socket.write(Buffer.from(request, "latin1"));
  await once(socket, "close");
  return received;
}

/** Empty without a response. */
function statusOf(response: string): string {
  return /^HTTP\/1\.\d (\d+)/.exec(response)?.[1] ?? "";
}

export const addressLaws: readonly RuntimeLaw[] = [
  {
    name: "passes on no request whose URL two parsers could parse differently, and none without an absolute URL",
    check: async (runtime) => {
      const seen: string[] = [];
      const handle = ({ url }: Request) => {
        seen.push(url);
        return new Response("handled");
      };
      await serving(runtime, { handle }, async (url) => {
        const port = Number(new URL(url).port);
        const served = async (target: string, headers: string, version = "1.1") =>
          statusOf(
            await sendRaw(port, `GET ${target} HTTP/${version}\r\n${headers}Connection: close\r\n\r\n`),
          ) === "200";
        const ambiguous = [
          "/a?/b",
          "/a?cccccccccccc/b",
          "//a/b?/c",
          "//aaaaaaaaaaaaaa/b?/c",
          "/a#/b",
          "/../a?/b",
        ];
        for (const headers of [
          "",
          "Host: \r\n",
          "Host: a b\r\n",
          "Host: [\r\n",
          "Host: a?\r\n",
          "Host: a\\b\r\n",
        ]) {
          for (const target of ambiguous)
            for (const version of ["1.0", "1.1"]) await served(target, headers, version);
        }
        for (const address of seen) assert.equal(pathIn(address), new URL(address).pathname);
        seen.length = 0;
        const valid = [
          "/",
          "/a/b?c=/d?e",
          "/caf%c3%a9?q='|\"<>",
          "/a%2Fb;c=1,2@:!$&'()*+?x=%",
          "/a//b?x=[1]{}^`",
        ];
        for (const target of valid) assert.equal(await served(target, "Host: a.example:1\r\n"), true, target);
        assert.deepEqual(
          seen.map((address) => address.slice(0, 19)),
          valid.map(() => "http://a.example:1/".slice(0, 19)),
        );
        // The default form of HAProxy's health checks.
        assert.equal(await served("/livez?x=1", "", "1.0"), true);
        assert.match(seen.at(-1) ?? "", /^http:\/\/[^/?]+\/livez\?x=1$/);
      });
    },
  },
  {
    name: "passes on a URL in the standard form of the URL standard, with the body of the request",
    check: async (runtime) => {
      const handle = async (request: Request) => new Response(`${request.url} ${await request.text()}`);
      await serving(runtime, { handle }, async (url) => {
        const port = Number(new URL(url).port);
        const post = (target: string) =>
          sendRaw(
            port,
            `POST ${target} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody`,
          );
        for (const [target, path] of [
          ["/a/../b", "/b"],
          ["/a/./b?c=/../d", "/a/b?c=/../d"],
          ["/a/%2e%2E/b", "/b"],
          ["/a\\..\\b", "/b"],
          ["/../a?/b", "/a?/b"],
          ["/..//b?/c", "//b?/c"],
          ["/a/..", "/"],
          ['/a"<>', "/a%22%3C%3E"],
        ] as const) {
          const response = await post(target);
          assert.equal(statusOf(response), "200", target);
          assert.ok(response.includes(`http://a.example${path} body`), `${target} became ${response}`);
        }
        assert.equal(statusOf(await post("/a#b")), "400");
        // A URL has no such bytes (RFC 3986 section 2): they are escaped or refused.
        const foreign = await post("/caf\xc3\xa9");
        assert.ok(
          statusOf(foreign) === "400" || foreign.includes("http://a.example/caf%C3%A9 body"),
          foreign,
        );
      });
    },
  },
];
