/** Where the API server of Kubernetes is, and what it is shown: the service account of a pod, or files that the entry names. */

import { readFile } from "node:fs/promises";

import type { KubernetesSettings } from "../config/kubernetes-source.ts";
import { ApiFailure } from "./api-request.ts";
import type { ClusterEnvironment } from "./source.ts";

export interface KubernetesAccess {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly ca: string | undefined;
  readonly namespace: string;
}

const usualAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

const maxFileLength = 1_048_576;

/** Reads the files each time, because tokens and authorities rotate. Rejects with an {@link ApiFailure}. */
export async function kubernetesAccess(
  settings: KubernetesSettings,
  { host, port, accountFolder = usualAccountFolder }: ClusterEnvironment,
): Promise<KubernetesAccess> {
  const url =
    settings.server ?? (host === undefined ? undefined : `https://${bracketed(host)}:${port ?? "443"}`);
  if (url === undefined)
    throw new ApiFailure(
      "KUBERNETES_SERVICE_HOST is not set, so this is no pod; set server, caFile and tokenFile",
    );
  // The system's authorities are the right ones for a server outside of the cluster that names none.
  const caFile = settings.caFile ?? (settings.server === undefined ? `${accountFolder}/ca.crt` : undefined);
  const tokenFile =
    settings.tokenFile ?? (settings.server === undefined ? `${accountFolder}/token` : undefined);
  const [ca, token, namespace] = await Promise.all([
    caFile === undefined ? undefined : readSmallFile(caFile),
    // Over http it would be readable for all that is in between.
    tokenFile === undefined || !url.startsWith("https:") ? undefined : readToken(tokenFile),
    settings.namespace ?? readNamespace(settings, accountFolder),
  ]);
  return {
    url,
    ca,
    headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
    namespace,
  };
}

async function readToken(path: string): Promise<string> {
  const token = (await readSmallFile(path)).trim();
  // Never quote it. Other characters would end the header field, or are not sent.
  if (!/^[\x21-\x7e]+$/.test(token)) throw new ApiFailure(`${path}: there is no token in it`);
  return token;
}

async function readNamespace({ server }: KubernetesSettings, accountFolder: string): Promise<string> {
  if (server !== undefined) return "default";
  const text = await readSmallFile(`${accountFolder}/namespace`).catch(() => "");
  return /^[a-z\d][-a-z\d]{0,62}$/.exec(text.trim())?.[0] ?? "default";
}

async function readSmallFile(path: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).slice(0, maxFileLength);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const reason =
      code === "ENOENT" ? "there is no such file" : code === "EACCES" ? "no permission to read it" : code;
    throw new ApiFailure(`${path}: ${reason}`);
  }
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
