import { describe, expect, test } from "bun:test";

import { passedCases, refusedCases } from "./strictness.ts";
import { bytesOf, oneByOne, readStream } from "./parse-result.ts";

describe("a request that parsers could disagree about is refused, however it is cut:", () => {
  for (const { name, request, status } of refusedCases) {
    test(`${name} (${status})`, () => {
      const bytes = bytesOf(request);
      const whole = readStream([bytes]);
      expect(whole.statuses).toEqual([status]);
      expect(whole.passed).toEqual([]);
      expect(readStream(oneByOne(bytes)).statuses).toEqual([status]);
      const step = bytes.length > 1_000 ? 97 : 1;
      for (let at = 1; at < bytes.length; at += step) {
        const cut = readStream([bytes.subarray(0, at), bytes.subarray(at)]);
        if (cut.statuses.at(-1) !== status) throw new Error(`cut at ${at}: ${cut.statuses.join()}`);
      }
    });
  }
});

describe("a request that is unusual but unambiguous passes, however it is cut:", () => {
  for (const [name, request] of passedCases) {
    test(name, () => {
      const bytes = bytesOf(request);
      const whole = readStream([bytes]);
      expect(whole).toMatchObject({ statuses: [0], isPending: false });
      expect(readStream(oneByOne(bytes)).passed.map(String)).toEqual(whole.passed.map(String));
      const step = bytes.length > 1_000 ? 97 : 1;
      for (let at = 1; at < bytes.length; at += step) {
        const cut = readStream([bytes.subarray(0, at), bytes.subarray(at)]);
        if (!Buffer.concat(cut.passed).equals(whole.passed[0] as Buffer)) throw new Error(`cut at ${at}`);
        expect(cut.statuses).toEqual([0]);
      }
    });
  }

  test("three pipelined requests, two with bodies, cut anywhere twice", () => {
    const get = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";
    const length = "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    const chunks = "POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    const bytes = bytesOf(get + length + chunks);
    const whole = readStream([bytes]);
    expect(whole).toMatchObject({ statuses: [0, 0, 0], isPending: false });
    for (let one = 0; one < bytes.length; one++) {
      for (let two = one; two < bytes.length; two += 7) {
        const cut = readStream([bytes.subarray(0, one), bytes.subarray(one, two), bytes.subarray(two)]);
        expect(cut.passed.map(String)).toEqual(whole.passed.map(String));
      }
    }
  });
});

describe("the request to an upstream", () => {
  const passed = (request: string) => String(readStream([bytesOf(request)]).passed[0]);

  test("is the client's bytes without hop-by-hop headers, and with ours", () => {
    const headers =
      "hOST: a.example\r\nX-One:  1 \r\nKeep-Alive: 5\r\nConnection: x-gone, close\r\nX-Gone: 1\r\nx-one: 2\r\nTE: trailers\r\n";
    expect(
      passed(`GET /a?b HTTP/1.1\r\n${headers}X-Forwarded-For: 6.6.6.6\r\nX-Request-Id: their\r\n\r\n`),
    ).toBe(
      "GET /a?b HTTP/1.1\r\nhOST: a.example\r\nX-One:  1 \r\nx-one: 2\r\n" +
        "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 8080\r\nVia: 1.1 evenkeel-1\r\n" +
        "X-Forwarded-Host: a.example\r\nX-Request-Id: id\r\nTE: trailers\r\nConnection: TE\r\n\r\n",
    );
  });

  test("accepts trailers if the client does, and contains nothing else of its TE", () => {
    const ask = (headers: string, version = "1.1") =>
      passed(`GET / HTTP/${version}\r\nHost: a\r\n${headers}\r\n`)
        .split("\r\n")
        .filter((line) => /^(te|connection):/i.test(line));
    const own = ["TE: trailers", "Connection: TE"];
    for (const te of ["trailers", "gzip;q=0.5, Trailers", "trailers , deflate", "\ttrailers\t"])
      expect([te, ask(`TE: ${te}\r\n`)]).toEqual([te, own]);
    expect(ask("TE: gzip\r\nConnection: TE\r\nte: trailers\r\n")).toEqual(own);
    for (const te of ["", "gzip", "trailersx", "xtrailers", "trailers;q=0", '"trailers"'])
      expect([te, ask(`TE: ${te}\r\nConnection: TE\r\n`)]).toEqual([te, []]);
    expect(ask("TE: trailers\r\n", "1.0")).toEqual([]);
    expect(ask("TE: trailers\r\nConnection: Upgrade, TE\r\nUpgrade: websocket\r\n")).toEqual([
      "TE: trailers",
      "Connection: Upgrade, TE",
    ]);
  });

  test("keeps headers that frame or route it although Connection names them", () => {
    const named =
      "Connection: host, content-length, transfer-encoding, x-a\r\nX-A: 1\r\nContent-Length: 2\r\n";
    const bytes = passed(`POST / HTTP/1.1\r\nHost: a\r\n${named}\r\nhi`);
    expect(bytes).toContain("Host: a\r\nContent-Length: 2\r\n");
    expect(bytes).not.toContain("X-A");
    expect(bytes).toEndWith("\r\n\r\nhi");
  });

  test("loses credentials that Connection names, and keeps other end-to-end headers", () => {
    const endToEnd = [
      ...["Date: a", "Authorization: Basic b", "WWW-Authenticate: c", "Strict-Transport-Security: d"],
      ...["Alt-Svc: e", "Trailer: f"],
    ];
    const kept = (connection: string) =>
      passed(`GET / HTTP/1.1\r\nHost: a\r\n${connection}${endToEnd.join("\r\n")}\r\n\r\n`)
        .split("\r\n")
        .filter((line) => endToEnd.includes(line));
    expect(kept("")).toEqual(endToEnd);
    expect(kept("Connection: authorization\r\n")).toEqual(
      endToEnd.filter((line) => !line.startsWith("Authorization")),
    );
  });

  test("has an origin-form target, also for an absolute one", () => {
    const start = (target: string, method = "GET") =>
      passed(`${method} ${target} HTTP/1.1\r\nHost: a\r\n\r\n`).split("\r\n")[0];
    expect(start("http://a/b?c")).toBe("GET /b?c HTTP/1.1");
    expect(start("HTTP://A?c")).toBe("GET /?c HTTP/1.1");
    expect(start("http://a")).toBe("GET / HTTP/1.1");
    expect(start("http://a", "OPTIONS")).toBe("OPTIONS * HTTP/1.1");
  });

  test("is HTTP/1.1, also from an HTTP/1.0 client", () =>
    expect(passed("GET /x HTTP/1.0\r\nHost: a\r\n\r\n")).toStartWith("GET /x HTTP/1.1\r\nHost: a\r\n"));

  test("is HTTP/1.1, also from a client with a higher minor version", () => {
    for (const minor of [2, 5, 9])
      expect(passed(`GET /x HTTP/1.${minor}\r\nHost: a\r\n\r\n`)).toStartWith(
        "GET /x HTTP/1.1\r\nHost: a\r\n",
      );
  });

  /** The lines of the written head that frame and route it, and the body. */
  const framed = (request: string) => {
    const [head = "", body] = passed(request).split(/\r\n\r\n(.*)/s);
    const lines = head.split("\r\n").slice(1);
    return [
      ...lines.filter((line) => /^(host|content-length|transfer-encoding|x-forwarded-host):/i.test(line)),
      body,
    ];
  };

  test("has a Content-Length without unusual whitespace or zeros", () => {
    for (const value of [" 5 ", "\t5", "5\t", " \t 5 \t ", " 05", "0000000000000000000005\t"])
      expect([value, ...framed(`POST / HTTP/1.1\r\nX: 1\r\nContent-length:${value}\r\nHost: a\r\nY: 2\r\n\r\nhello`)]).toEqual([
        value, "Content-Length: 5", "Host: a", "X-Forwarded-Host: a", "hello",
      ]); // prettier-ignore
    for (const value of [" 5", "5", "   5"])
      expect(framed(`POST / HTTP/1.1\r\nHost: a\r\ncontent-length:${value}\r\n\r\nhello`)).toEqual([
        "Host: a", `content-length:${value}`, "X-Forwarded-Host: a", "hello",
      ]); // prettier-ignore
    expect(framed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")[1]).toBe("Content-Length: 0");
    expect(framed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 000 \r\n\r\n")[0]).toBe("Content-Length: 0");
  });

  test("has a Transfer-Encoding without unusual whitespace", () => {
    for (const value of [" chunked ", "\tchunked", "Chunked\t", " \t CHUNKED \t "])
      expect([value, ...framed(`POST / HTTP/1.1\r\nTransfer-Encoding:${value}\r\nHost: a\r\n\r\n0\r\n\r\n`)]).toEqual([
        value, "Transfer-Encoding: chunked", "Host: a", "X-Forwarded-Host: a", "0\r\n\r\n",
      ]); // prettier-ignore
  });

  test("has the Host of an absolute target where the Host header names another one", () => {
    const hosts = (target: string, host: string, version = "1.1") =>
      framed(`GET ${target} HTTP/${version}\r\nX: 1\r\n${host}Y: 2\r\n\r\n`);
    const table: ReadonlyArray<readonly [target: string, host: string, written: string]> = [
      ["http://a:80/", "Host: a\r\n", "a"],
      ["http://a/", "Host: a:80\r\n", "a:80"],
      ["http://a:/", "Host: a\r\n", "a"],
      ["http://a/", "Host: A:\r\n", "A:"],
      ["http://a:080/", "Host: a:80\r\n", "a:80"],
      ["HTTPS://A:443/", "Host: a\r\n", "a"],
      ["http://[2001:DB8::1]:80/", "Host: [2001:db8::1]\r\n", "[2001:db8::1]"],
      ["http://a:81/", "Host: a:81\r\n", "a:81"],
      ["http://b/", "Host: a\r\n", "b"],
      ["http://a:443/", "Host: a\r\n", "a:443"],
      ["https://a:80/", "Host: a\r\n", "a:80"],
      ["http://a:81?b", "Host: a\r\n", "a:81"],
      ["http://[::1]/", "Host: [::2]\r\n", "[::1]"],
      ["http://a.example", "Host: a\r\n", "a.example"],
      ["http://a/", "Host:\r\n", "a"],
      ["/", "Host:\ta \r\n", "a"],
    ];
    for (const [target, host, written] of table)
      expect([target, host, ...hosts(target, host)]).toEqual([
        target, host, `Host: ${written}`, `X-Forwarded-Host: ${written}`, "",
      ]); // prettier-ignore
    expect(hosts("http://a/", "", "1.0")).toEqual(["Host: a", "X-Forwarded-Host: a", ""]);
  });

  test("is routed and logged by the host that it is sent with", () => {
    const hosts = (request: string) => readStream([bytesOf(request)]).hosts[0];
    expect(hosts("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n")).toEqual(["b", "b"]);
    expect(hosts("GET http://A:80/ HTTP/1.1\r\nHost:\ta\r\n\r\n")).toEqual(["a", "a"]);
    expect(hosts("GET http://a/ HTTP/1.0\r\n\r\n")).toEqual(["a", "a"]);
    expect(hosts("GET / HTTP/1.0\r\n\r\n")).toEqual(["", "localhost:8080"]);
  });

  test("has our own Host if an HTTP/1.0 client names none", () => {
    for (const host of ["", "Host:\r\n", "Host: \t\r\n"])
      expect(framed(`GET / HTTP/1.0\r\n${host}X: 1\r\n\r\n`)).toEqual([
        "Host: localhost:8080", "X-Forwarded-Host: localhost:8080", "",
      ]); // prettier-ignore
    expect(framed("GET / HTTP/1.0\r\nVia: 1.0 b\r\n\r\n")).toEqual([
      "Host: localhost:8080", "X-Forwarded-Host: localhost:8080", "",
    ]); // prettier-ignore
  });

  test("lacks every header that a long Connection header names, and no other", () => {
    const names = Array.from({ length: 300 }, (_, index) => `x-${index}`);
    const headers = ["X-0", "X-9", "x-20", "X-299", "X-300"].map((name) => `${name}: 1\r\n`).join("");
    const bytes = passed(
      `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n${headers}Connection: host , ${names.join(",\t")}, Content-Length\r\n\r\nhi`,
    );
    expect(bytes).toStartWith(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nX-300: 1\r\nX-Forwarded-For:",
    );
  });

  test("appends our Via to an existing one", () => {
    const bytes = passed("GET / HTTP/1.1\r\nVia: 1.0 b\r\nHost: a\r\nVia: 1.1 c\r\n\r\n");
    expect(bytes.match(/via/gi)).toHaveLength(1);
    expect(bytes).toContain("Via: 1.0 b, 1.1 c, 1.1 evenkeel-1\r\n");
  });

  test("contains an upgrade only if it may be forwarded", () => {
    const ask = (upgrade: string, rest = "", version = "1.1") =>
      passed(`GET / HTTP/${version}\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: ${upgrade}\r\n${rest}\r\n`);
    expect(ask("websocket")).toContain("Upgrade: websocket\r\n");
    expect(ask("websocket")).toContain("\r\nConnection: Upgrade\r\n\r\n");
    for (const without of [ask("h2c"), ask("websocket, H2C"), ask("websocket", "", "1.0")]) {
      expect(without).not.toMatch(/upgrade/i);
    }
  });
});
