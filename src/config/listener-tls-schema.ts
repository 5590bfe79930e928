/** The schema of certificates and of the TLS settings of listeners in the configuration file. */

import { type Static, Type } from "@sinclair/typebox";

import {
  type ClientVerification,
  clientVerifications,
  type TlsVersion,
  tlsVersions,
} from "../tls/listener-tls.ts";
import { acmeSchema } from "./acme.ts";
import { age, choice, file, flag, format, optional, strict, textSetting } from "./schema-kit.ts";

const keyPair = {
  cert: file("the path of a PEM file", "PEM file with the certificate and its intermediate certificates."),
  key: file("the path of a PEM file", "PEM file with the private key, without a passphrase."),
};

const certifiedName = textSetting(
  "^(\\*\\.)?[A-Za-z\\d_-]+(\\.[A-Za-z\\d_-]+)*$",
  "a host name, or *.example.com",
  "Name that the client sends, or a wildcard for one label.",
);

const clientCertificates = Type.Object(
  {
    ca: file(
      "the path of a PEM file",
      "PEM file with the authorities that sign the certificates of clients.",
    ),
    verify: Type.Optional(
      choice<ClientVerification>(
        clientVerifications,
        "required: clients without a valid certificate are refused; optional: only those with an invalid one.",
      ),
    ),
    hosts: Type.Optional(
      Type.Array(certifiedName, {
        minItems: 1,
        description: "Names for which certificates of clients are verified; by default all.",
        errorMessage: "a list of names",
      }),
    ),
    forward: Type.Optional(flag("Whether upstreams get the client's certificate in Client-Cert (RFC 9440).")),
  },
  { ...strict, description: "Certificates of clients.", errorMessage: "a map with ca" },
);

const hsts = Type.Union(
  [
    Type.Literal(true),
    optional(
      {
        maxAge: age("How long clients use https only, 365d by default; 0 ends that."),
        subdomains: flag("Whether that applies to all names below the host."),
        preload: flag("Whether browsers may list the host; needs subdomains and a year."),
      },
      "Values of Strict-Transport-Security.",
    ),
  ],
  {
    description: "Strict-Transport-Security in every response over TLS, in place of the upstream's.",
    errorMessage: "true, or a map with maxAge such as 365d, subdomains and preload",
  },
);

export const tlsSettings = optional(
  {
    ...keyPair,
    minVersion: choice<TlsVersion>(tlsVersions, "Lowest version of TLS."),
    defaultCertificate: format(
      "name",
      "Name whose certificate clients get that send no name, or one that no certificate covers.",
    ),
    strictSni: Type.Union([Type.Literal("auto"), Type.Boolean()], {
      description:
        "Refuses handshakes whose name no certificate covers; auto: where clients show certificates.",
      errorMessage: "auto, true or false",
    }),
    clientCertificates,
    hsts,
  },
  "TLS for clients; its own certificate is the default one.",
);

const certificate = optional(
  {
    ...keyPair,
    folder: file(
      "the path of a folder",
      "Folder with NAME.crt or NAME.pem and NAME.key, or NAME/fullchain.pem and NAME/privkey.pem.",
    ),
    acme: acmeSchema,
  },
  "One certificate with its key, a folder of them, or an authority that issues them.",
);

/** More entries than that are a mistake: a folder holds any number of certificates. */
const maxCertificates = 1_024;

export type CertificateFile = Static<typeof certificate>;

export const certificateList = Type.Array(certificate, {
  maxItems: maxCertificates,
  description: "Certificates of all TLS listeners, chosen by the name that the client sends.",
  errorMessage: `a list of at most ${maxCertificates} certificates`,
});

/** The parser expands `tls: true` before the check. */
export const tlsForEditors = Type.Union([Type.Literal(true), tlsSettings], {
  description: "true, or settings of TLS for clients.",
});
