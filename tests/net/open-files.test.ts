import { describe, expect, test } from "bun:test";

import {
  maxClientsForOpenFiles,
  maxRejectedClientsFor,
  maxWebConnectionsFor,
} from "../../src/net/open-files.ts";

describe("the limit on open files", () => {
  test.each([64, 128, 256, 1_024, 20_000, 65_536, 1_048_576])("of %p leaves room for everything", (limit) => {
    const clients = maxClientsForOpenFiles(limit);
    const web = maxWebConnectionsFor(limit);
    expect(clients).toBeGreaterThanOrEqual(1);
    expect(web).toBeGreaterThanOrEqual(8);
    // Each client has an upstream connection; the runtime and its files need about thirty.
    if (limit >= 128)
      expect(2 * clients + maxRejectedClientsFor(limit) + 2 * web + 40).toBeLessThanOrEqual(limit);
  });

  test("leaves the default number of clients alone where the system allows as many files as usual", () => {
    expect(maxClientsForOpenFiles(65_536)).toBeGreaterThan(16_384);
    expect(maxWebConnectionsFor(65_536)).toBe(256);
  });
});
