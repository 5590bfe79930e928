/** A certificate authority that one Chromium trusts: through the certificate database in a home folder of its own. */

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { TestAuthority } from "./acme-authority.ts";

/** Whether `certutil` of NSS is installed: Debian's libnss3-tools. Chromium on Linux has no other way to trust an authority. */
export const hasCertutil = spawnSync("certutil", ["-H"]).error === undefined;

export interface TrustedAuthority {
  readonly authority: TestAuthority;
  /** The HOME of the Chromium that trusts it. */
  readonly home: string;
  remove(): void;
}

export async function createTrustedAuthority(): Promise<TrustedAuthority> {
  const authority = await TestAuthority.create();
  const home = mkdtempSync(join(tmpdir(), "evenkeel-chromium-"));
  const database = join(home, ".pki/nssdb");
  mkdirSync(database, { recursive: true });
  const file = join(home, "authority.pem");
  writeFileSync(file, authority.pem);
  certutil(database, "-N", "--empty-password");
  // Trusted to issue certificates of TLS servers.
  certutil(database, "-A", "-n", "Test Root", "-t", "C,,", "-i", file);
  return {
    authority,
    home,
    // Chromium's processes may still write there.
    remove: () => rmSync(home, { recursive: true, force: true, maxRetries: 5 }),
  };
}

function certutil(database: string, ...argv: string[]): void {
  const { status, stderr, error } = spawnSync("certutil", ["-d", `sql:${database}`, ...argv]);
  if (status !== 0) throw new Error(`Cannot create the certificate database: ${error ?? stderr.toString()}`);
}
