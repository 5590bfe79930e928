/** What is configured about one certificate authority with ACME (RFC 8555). */

import { digestOf } from "../lib/secrets.ts";

export const challengeTypes = ["http-01", "tls-alpn-01"] as const;
export type ChallengeType = (typeof challengeTypes)[number];

export interface AcmeSettings {
  /** Contact of the account. */
  readonly email?: string;
  /** One certificate each. In lower case. */
  readonly hosts: readonly string[];
  /** URL of the directory (RFC 8555 section 7.1.1). */
  readonly directory: string;
  readonly challenge: ChallengeType;
  /** Folder for the account's key and the certificates. */
  readonly storage: string;
  /** Certificates of the authority that the directory itself is verified with, as PEM; undefined for the system's. */
  readonly ca?: string;
  /** The file that `ca` was read from. */
  readonly caPath?: string;
}

/** Directories that have a name in the configuration. */
export const directories = {
  letsencrypt: "https://acme-v02.api.letsencrypt.org/directory",
  "letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
  zerossl: "https://acme.zerossl.com/v2/DV90",
} as const;

/** The name of a directory, or its URL. */
export function directoryName(url: string): string {
  return Object.entries(directories).find(([, known]) => known === url)?.[0] ?? url;
}

/** Part of a file name, different for each directory. */
export function directoryLabel(url: string): string {
  const name = directoryName(url);
  return name === url ? `${new URL(url).hostname}-${digestOf(url).slice(0, 8)}` : name;
}
