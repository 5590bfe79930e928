/** An origin, the wire engine before it, and raw clients, taken down together. */

import { wireEngine } from "../../../src/engine/wire/bun.ts";
import type { EngineOptions } from "../../../src/engine/engine.ts";
import { type Origin, type OriginOptions, startOrigin } from "../../support/origin.ts";
import { RawClient } from "../../support/raw-client.ts";
import { type EngineFixture, startEngine, type EngineFixtureOptions } from "../../support/engine-fixture.ts";

export interface WireScene {
  readonly origin: Origin;
  readonly stage: EngineFixture;
  /** A new connection to the engine. */
  client(): Promise<RawClient>;
}

export async function wireScene(
  script: OriginOptions | OriginOptions["respond"],
  play: (scene: WireScene) => Promise<void>,
  options: Partial<EngineFixtureOptions> & { readonly engine?: Partial<EngineOptions> } = {},
): Promise<void> {
  const origin = await startOrigin(script);
  const engine = {
    ...wireEngine,
    listen: (usual: EngineOptions) => wireEngine.listen({ ...usual, ...options.engine }),
  };
  const set = await startEngine(engine, { ports: [origin.port], ...options });
  const clients: RawClient[] = [];
  try {
    await play({
      origin,
      stage: set,
      async client() {
        const client = await RawClient.connect(set.port);
        clients.push(client);
        return client;
      },
    });
  } finally {
    for (const client of clients) client.destroy();
    set.close();
    await origin.close();
  }
}

export const get = (target = "/", headers = "") => `GET ${target} HTTP/1.1\r\nHost: a\r\n${headers}\r\n`;

export const post = (body: string, headers = "") =>
  `POST / HTTP/1.1\r\nHost: a\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;
