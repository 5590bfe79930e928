/** What every runtime must make of the address of a request: guard and router behind it must not read two different ones. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import type { RuntimeLaw } from "./runtime-laws.ts";
import { serving } from "./fixture.ts";

/** The path of an address as readers find it who look for the first slash and the first question mark. */
function pathIn(address: string): string {
  const start = address.indexOf("/", address.indexOf("//") + 2);
  const query = address.indexOf("?", start);
  return address.slice(start, query < 0 ? undefined : query);
}

/** @returns all of the answer */
async function sendRaw(port: number, request: string): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1" });
  let received = "";
  socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
  socket.on("error", () => {});
  socket.write(Buffer.from(request, "latin1"));
  await once(socket, "close");
  return received;
}

/** Empty without an answer. */
function statusOf(response: string): string {
  return /^HTTP\/1\.\d (\d+)/.exec(response)?.[1] ?? "";
}

export const addressLaws: readonly RuntimeLaw[] = [
  {
    name: "hands on no request whose address two readers could read differently, and none without a whole one",
    check: async (runtime) => {
      const seen: string[] = [];
      const handle = ({ url }: Request) => {
        seen.push(url);
        return new Response("handled");
      };
      await serving(runtime, { handle }, async (url) => {
        const port = Number(new URL(url).port);
        const served = async (target: string, fields: string, version = "1.1") =>
          statusOf(
            await sendRaw(port, `GET ${target} HTTP/${version}\r\n${fields}Connection: close\r\n\r\n`),
          ) === "200";
        const twofold = [
          "/a?/b",
          "/a?cccccccccccc/b",
          "//a/b?/c",
          "//aaaaaaaaaaaaaa/b?/c",
          "/a#/b",
          "/../a?/b",
        ];
        for (const fields of [
          "",
          "Host: \r\n",
          "Host: a b\r\n",
          "Host: [\r\n",
          "Host: a?\r\n",
          "Host: a\\b\r\n",
        ]) {
          for (const target of twofold)
            for (const version of ["1.0", "1.1"]) await served(target, fields, version);
        }
        for (const address of seen) assert.equal(pathIn(address), new URL(address).pathname);
        seen.length = 0;
        const usual = [
          "/",
          "/a/b?c=/d?e",
          "/caf%c3%a9?q='|\"<>",
          "/a%2Fb;c=1,2@:!$&'()*+?x=%",
          "/a//b?x=[1]{}^`",
        ];
        for (const target of usual) assert.equal(await served(target, "Host: a.example:1\r\n"), true, target);
        assert.deepEqual(
          seen.map((address) => address.slice(0, 19)),
          usual.map(() => "http://a.example:1/".slice(0, 19)),
        );
        // As HAProxy's health checks are by default.
        assert.equal(await served("/livez?x=1", "", "1.0"), true);
        assert.match(seen.at(-1) ?? "", /^http:\/\/[^/?]+\/livez\?x=1$/);
      });
    },
  },
  {
    name: "hands on an address in the one way of writing that the URL standard has for it, and the body with it",
    check: async (runtime) => {
      const handle = async (request: Request) => new Response(`${request.url} ${await request.text()}`);
      await serving(runtime, { handle }, async (url) => {
        const port = Number(new URL(url).port);
        const ask = (target: string) =>
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
          ['/caf\xc3\xa9"<>', "/caf%C3%A9%22%3C%3E"],
        ] as const) {
          const response = await ask(target);
          assert.equal(statusOf(response), "200", target);
          assert.ok(response.includes(`http://a.example${path} body`), `${target} became ${response}`);
        }
        assert.equal(statusOf(await ask("/a#b")), "400");
      });
    },
  },
];
