/** Reads certificates from named files and from folders, as certbot, Kubernetes and people lay them out. */

import { readdirSync, readFileSync } from "node:fs";
import { type CertificatePair, readPair } from "./certificate-pair.ts";

export interface CertificateReader {
  /** The text of a file; undefined if it does not exist. Throws an `Error` with the system's code. */
  read(path: string): string | undefined;
  /** The names of a folder's entries. Throws an `Error` with the system's code. */
  list(folder: string): readonly string[];
}

/** One entry of `certificates`, or the certificate of one listener. */
export type CertificateEntry =
  { readonly certPath: string; readonly keyPath: string } | { readonly folder: string };

export interface FileProblem {
  readonly path: string;
  /** The file of the certificate that is concerned. */
  readonly source: string;
  readonly why: string;
  /** One of two files is missing: tools write them one after the other. */
  readonly isHalf?: true;
}

export interface FoundCertificates {
  readonly pairs: readonly CertificatePair[];
  readonly problems: readonly FileProblem[];
}

/** Whatever is read is small, and a start waits for it anyway. */
export const systemCertificateReader: CertificateReader = {
  read(path) {
    try {
      return readFileSync(path, "utf8");
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
      throw error;
    }
  },
  list: (folder) => readdirSync(folder),
};

/** @param parse may return a certificate that it knows */
export function readEntry(
  entry: CertificateEntry,
  reader: CertificateReader,
  parse: typeof readPair = readPair,
): FoundCertificates {
  if ("folder" in entry) return readFolder(entry.folder, reader, parse);
  const found = readFiles(entry, reader, parse);
  return "why" in found ? { pairs: [], problems: [found] } : { pairs: [found], problems: [] };
}

type Files = Extract<CertificateEntry, { certPath: string }>;

function readFiles(
  { certPath: source, keyPath }: Files,
  reader: CertificateReader,
  parse: typeof readPair,
): CertificatePair | FileProblem {
  const cert = textOf(source, reader);
  if ("why" in cert) return { ...cert, path: source, source };
  const key = textOf(keyPath, reader);
  if ("why" in key) return { ...key, path: keyPath, source };
  const pair = parse({ cert: cert.text, key: key.text, source });
  return "why" in pair ? { path: pair.in === "cert" ? source : keyPath, source, why: pair.why } : pair;
}

function textOf(
  path: string,
  { read }: CertificateReader,
): { readonly text: string } | Pick<FileProblem, "why" | "isHalf"> {
  try {
    const text = read(path);
    return text === undefined ? { why: "file not found", isHalf: true } : { text };
  } catch (error) {
    return { why: systemErrorText(error) };
  }
}

function systemErrorText(error: unknown): string {
  if (!(error instanceof Error && "code" in error)) throw error;
  const code = String(error.code);
  if (code === "EACCES" || code === "EPERM") return "permission denied";
  if (code === "ENOENT") return "folder not found";
  if (code === "ENOTDIR") return "it is no folder";
  return `system error ${code}`;
}

/** Each subfolder with fullchain.pem and privkey.pem, and each NAME.pem or NAME.crt with NAME.key. */
function readFolder(folder: string, reader: CertificateReader, parse: typeof readPair): FoundCertificates {
  let names: readonly string[];
  try {
    // Kubernetes mounts have links such as ..data beside the files.
    names = reader.list(folder).filter((name) => !name.startsWith("."));
  } catch (error) {
    return { pairs: [], problems: [{ path: folder, source: folder, why: systemErrorText(error) }] };
  }
  const pairs: CertificatePair[] = [];
  const problems: FileProblem[] = [];
  for (const files of filesIn(folder, names.toSorted(), reader)) {
    if ("why" in files) problems.push(files);
    else {
      const found = readFiles(files, reader, parse);
      if ("why" in found) problems.push(found);
      else pairs.push(found);
    }
  }
  return { pairs, problems };
}

function filesIn(
  folder: string,
  names: readonly string[],
  reader: CertificateReader,
): readonly (Files | FileProblem)[] {
  const present = new Set(names);
  const keysInUse = new Set<string>();
  const inFolder = (name: string) => `${folder.replace(/\/$/, "")}/${name}`;
  const certificates = names.flatMap((name): readonly (Files | FileProblem)[] => {
    const stem = /^(.+)\.(?:pem|crt)$/.exec(name)?.[1];
    if (stem === undefined) return name.endsWith(".key") ? [] : subfolder(inFolder(name), reader);
    const [path, key] = [inFolder(name), `${stem}.key`];
    if (!present.has(key)) return [half(path, path, key)];
    keysInUse.add(key);
    return [{ certPath: path, keyPath: inFolder(key) }];
  });
  const alone = names.filter((name) => name.endsWith(".key") && !keysInUse.has(name));
  return [
    ...certificates,
    ...alone.map((name) =>
      half(inFolder(name), inFolder(name), `${name.slice(0, -".key".length)}.crt or .pem`),
    ),
  ];
}

function half(path: string, source: string, missing: string): FileProblem {
  return { path, source, why: `there is no ${missing} beside it`, isHalf: true };
}

/** What is neither a certificate nor a folder with one, such as a README, is nothing. */
function subfolder(path: string, { read }: CertificateReader): readonly (Files | FileProblem)[] {
  const files = { certPath: `${path}/fullchain.pem`, keyPath: `${path}/privkey.pem` };
  const exists = (file: string) => {
    try {
      return read(file) !== undefined;
    } catch (error) {
      return error instanceof Error && "code" in error && error.code !== "ENOTDIR";
    }
  };
  const [hasCert, hasKey] = [exists(files.certPath), exists(files.keyPath)];
  if (hasCert && hasKey) return [files];
  if (hasCert) return [half(files.certPath, files.certPath, "privkey.pem")];
  return hasKey ? [half(files.keyPath, files.certPath, "fullchain.pem")] : [];
}
