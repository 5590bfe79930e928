/** An origin, an engine before it, and raw clients, taken down together by `await using`. */

import type { Engine } from "../../src/engine/engine.ts";
import { type EngineFixture, startEngine } from "./engine-fixture.ts";
import { type Origin, type OriginOptions, startOrigin } from "./origin.ts";
import { RawClient } from "./raw-client.ts";

export interface EngineScene extends AsyncDisposable {
  readonly origin: Origin;
  readonly fixture: EngineFixture;
  /** A new connection to the engine. */
  client(): Promise<RawClient>;
}

export async function engineScene(
  engine: Engine,
  options: OriginOptions | OriginOptions["respond"],
): Promise<EngineScene> {
  const origin = await startOrigin(options);
  const fixture = await startEngine(engine, { ports: [origin.port] });
  const clients: RawClient[] = [];
  return {
    origin,
    fixture,
    async client() {
      const client = await RawClient.connect(fixture.port);
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.destroy();
      fixture.close();
      await origin.close();
    },
  };
}
