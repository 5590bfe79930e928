/** What engines must do with NTLM and Negotiate, which authenticate a connection and not a request. */

import { expect } from "bun:test";

import type { Engine } from "../../src/engine/engine.ts";
import { type Origin, type ReceivedRequest, respondWith, startOrigin } from "../support/origin.ts";
import { RawClient, sendRequest } from "../support/raw-client.ts";
import { type EngineFixture, startEngine } from "../support/engine-fixture.ts";

const unauthorized = "401 Unauthorized";
const offers = [
  "WWW-Authenticate: Negotiate",
  "WWW-Authenticate: NTLM",
  'WWW-Authenticate: Basic realm="a, b"',
];

/** A server that authenticates each of its TCP connections once, as IIS does. It responds with the user's name. */
export function startAuthenticatingOrigin(): Promise<Origin> {
  const challenged = new Set<number>();
  const users = new Map<number, string>();
  const step = (request: ReceivedRequest): Buffer => {
    const { connection } = request;
    const credentials = request.headers.filter(([name]) => name.toLowerCase() === "authorization");
    const offered = credentials.flatMap(([, value]) => value.split(/, */));
    const known = offered.find((one) => /^(?:ntlm|negotiate) /i.test(one)) ?? "";
    const [scheme = "", token = ""] = known.split(" ");
    const name = /^(?:type3|ticket)-(.*)/.exec(token)?.[1];
    if (/^ntlm$/i.test(scheme) && token === "type1") {
      challenged.add(connection);
      return respondWith("more", ["Content-Type: text/plain", "WWW-Authenticate: NTLM type2"], unauthorized);
    }
    const isKnown = token.startsWith("ticket") ? /^negotiate$/i.test(scheme) : challenged.has(connection);
    if (name !== undefined && isKnown) users.set(connection, name);
    const user = users.get(connection);
    return user === undefined
      ? respondWith("who?", ["Content-Type: text/plain", ...offers], unauthorized)
      : respondWith(user, ["Content-Type: text/plain"]);
  };
  return startOrigin((request, socket) => void socket.write(step(request)));
}

export const request = (headers = "") => `GET / HTTP/1.1\r\nHost: a\r\n${headers}\r\n`;

/** Sends the requests of a handshake over one connection. @returns the status of each response */
export async function authenticate(client: RawClient, user: string, scheme = "NTLM"): Promise<number[]> {
  const statuses: number[] = [];
  const steps = ["", `Authorization: ${scheme} type1\r\n`, `Authorization: ${scheme} type3-${user}\r\n`];
  for (const headers of steps) statuses.push((await client.send(request(headers)).readResponse()).status);
  return statuses;
}

/** The name by which the server knows the client of a connection; a status if it knows none. */
export async function whoIs(client: RawClient): Promise<string | number> {
  const { status, body } = await client.send(request()).readResponse();
  return status === 200 ? body.toString() : status;
}

async function withOrigins(
  engine: Engine,
  count: number,
  run: (fixture: EngineFixture) => Promise<void>,
): Promise<void> {
  const origins = await Promise.all(Array.from({ length: count }, startAuthenticatingOrigin));
  const fixture = await startEngine(engine, { ports: origins.map(({ port }) => port) });
  try {
    await run(fixture);
    expect(fixture.bugs).toEqual([]);
  } finally {
    fixture.close();
    await Promise.all(origins.map((origin) => origin.close()));
  }
}

export const authenticationLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "serves no client on a connection to an upstream that NTLM or Negotiate authenticated for another": (
    engine,
  ) =>
    withOrigins(engine, 1, async ({ port }) => {
      const clients: RawClient[] = [];
      const connect = async () => {
        const client = await RawClient.connect(port);
        clients.push(client);
        return client;
      };
      for (const scheme of ["NTLM", "ntlm", "Ntlm"]) {
        await authenticate(await connect(), "ann", scheme);
        for (let i = 0; i < 3; i++) expect(await whoIs(await connect())).toBe(401);
      }
      for (const scheme of ["Negotiate", "negotiate", "NEGOTIATE"]) {
        const ann = await connect();
        const ticket = request(`Authorization: ${scheme} ticket-ann\r\n`);
        expect((await ann.send(ticket).readResponse()).body.toString()).toBe("ann");
        for (let i = 0; i < 3; i++) expect(await whoIs(await connect())).toBe(401);
      }
      // The server reads the credentials that it knows among several.
      for (const headers of [
        "Basic YTpi\r\nAuthorization: Negotiate ticket-ann",
        "Basic YTpi, Negotiate ticket-ann",
      ]) {
        const ann = await connect();
        const ticket = request(`Authorization: ${headers}\r\n`);
        expect((await ann.send(ticket).readResponse()).body.toString()).toBe("ann");
        for (let i = 0; i < 3; i++) expect(await whoIs(await connect())).toBe(401);
      }
      for (const client of clients) client.destroy();
      for (let i = 0; i < 3; i++) expect((await sendRequest(port, request())).status).toBe(401);
    }),

  "keeps a client authenticated by NTLM on its connection, whatever other clients do": (engine) =>
    withOrigins(engine, 3, async ({ port }) => {
      const [ann, bob, eve] = await Promise.all([1, 2, 3].map(() => RawClient.connect(port)));
      if (!ann || !bob || !eve) throw new Error("no clients");
      expect(await authenticate(ann, "ann")).toEqual([401, 401, 200]);
      expect(await whoIs(eve)).toBe(401);
      expect(await authenticate(bob, "bob")).toEqual([401, 401, 200]);
      for (let i = 0; i < 4; i++) {
        expect(await whoIs(ann)).toBe("ann");
        expect(await whoIs(eve)).toBe(401);
        expect(await whoIs(bob)).toBe("bob");
      }
      for (const client of [ann, bob, eve]) client.destroy();
    }),
};
