/** Runs an engine with the routes of a file in front of one scripted upstream. */

import { expect } from "bun:test";

import type { RouteFile } from "../../src/config/route-schema.ts";
import type { Engine } from "../../src/engine/engine.ts";
import type { Pool } from "../../src/pool/pool.ts";
import { configuredRoutes, type RouteFiles } from "./configured-routes.ts";
import { type EngineFixture, type EngineFixtureOptions, startEngine } from "./engine-fixture.ts";
import { type Origin, type ReceivedRequest, respondWith, startOrigin } from "./origin.ts";

export interface RouteFixtureOptions extends Partial<EngineFixtureOptions> {
  /** Header lines of the upstream's responses. */
  readonly responseLines?: readonly string[];
  readonly files?: RouteFiles;
}

/** The upstream answers every request with "served". */
export async function withRoutes(
  engine: Engine,
  routes: readonly RouteFile[],
  run: (fixture: EngineFixture, origin: Origin) => Promise<void>,
  { responseLines = [], files = {}, ...options }: RouteFixtureOptions = {},
): Promise<void> {
  const origin = await startOrigin((_, socket) => void socket.write(respondWith("served", responseLines)));
  const fixture = await startEngine(engine, {
    ports: [origin.port],
    routes: configuredRoutes(routes, files),
    ...options,
  });
  try {
    await run(fixture, origin);
    expect(fixture.bugs).toEqual([]);
  } finally {
    fixture.close();
    await origin.close();
  }
}

export const get = (target: string, fields: readonly string[] = [], host = "a.test") =>
  `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${fields.map((field) => `${field}\r\n`).join("")}\r\n`;

/** No upstream is available any more. */
export function failAll(pool: Pool): void {
  for (const upstream of pool.upstreams)
    for (let probe = 0; probe < 10 && pool.available.length > 0; probe++) pool.recordProbe(upstream, false);
}

/** The values of a field, in order. */
export function valuesOf({ headers }: Pick<ReceivedRequest, "headers">, name: string): readonly string[] {
  return headers.filter(([found]) => found.toLowerCase() === name).map(([, value]) => value);
}
