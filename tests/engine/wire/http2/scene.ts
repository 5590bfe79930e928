/** An engine with HTTP/2 between raw clients and a scripted origin, for the tests of this folder. */

import { expect } from "bun:test";

import type { Engine } from "../../../../src/engine/engine.ts";
import { wireEngine } from "../../../../src/engine/wire/bun.ts";
import {
  type EngineFixture,
  type EngineFixtureOptions,
  startEngine,
} from "../../../support/engine-fixture.ts";
import { Http2Client, type Http2ClientOptions } from "../../../support/http2-client.ts";
import { type Origin, type OriginOptions, startOrigin } from "../../../support/origin.ts";

export interface Http2Scene {
  readonly origin: Origin;
  readonly fixture: EngineFixture;
  client(options?: Http2ClientOptions): Promise<Http2Client>;
  /** A request of another client, which must be served whatever happens to the others. */
  serves(): Promise<void>;
}

export interface Http2SceneOptions extends Partial<EngineFixtureOptions> {
  readonly engine?: Engine;
  readonly maxClients?: number;
  /** Bugs that the test provokes. */
  readonly expectedBugs?: number;
}

/** The path of the request that `serves` sends. */
export const otherPath = "/other-client";

export async function withHttp2Scene(
  script: OriginOptions | OriginOptions["respond"],
  run: (scene: Http2Scene) => Promise<void>,
  { engine = wireEngine, maxClients, expectedBugs = 0, ...options }: Http2SceneOptions = {},
): Promise<void> {
  const origin = await startOrigin(script);
  const listener = { http2: true, ...(maxClients !== undefined && { maxClients }) };
  const fixture = await startEngine(engine, { ports: [origin.port], listener, ...options });
  const clients: Http2Client[] = [];
  const client = async (given?: Http2ClientOptions) => {
    const connected = await Http2Client.connect(fixture.port, given);
    clients.push(connected);
    return connected;
  };
  const serves = async () => {
    const other = await client();
    await other.get(1, otherPath).whole(1);
    expect([other.status(1), other.goAwayCode]).toEqual([200, -1]);
    other.destroy();
  };
  try {
    await run({ origin, fixture, client, serves });
    expect(fixture.bugs).toHaveLength(expectedBugs);
  } finally {
    for (const open of clients) open.destroy();
    fixture.close();
    await origin.close();
  }
}
