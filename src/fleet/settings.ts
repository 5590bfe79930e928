/** What is configured about the fleet: the store that its balancers share, and the name of this one. */

export interface FleetSettings {
  /** The name of this balancer, different from those of all others in the fleet. */
  readonly name: string;
  /** The name of the fleet, so that one store can hold several. */
  readonly group: string;
  readonly store: FleetStoreAddress;
  /** User of the store's access control list; undefined for the default one. */
  readonly user?: string;
  /** Never shown or logged, as all that stands in a file of its own. */
  readonly password?: string;
  readonly passwordFile?: string;
  /** What Sentinels ask for. */
  readonly sentinelPassword?: string;
  readonly sentinelPasswordFile?: string;
  /** Present where the connections use TLS. */
  readonly tls?: FleetTls;
  /** Seals what may not lie open in the store, such as private keys. */
  readonly key?: string;
  readonly keyFile?: string;
  /** Where people reach the dashboard of this balancer, for the links of the others. Without a trailing slash. */
  readonly url?: string;
}

/** One server, or the Sentinels that know which server leads. */
export type FleetStoreAddress =
  | {
      readonly kind: "server";
      readonly hostname: string;
      readonly port: number;
      /** Number of the database, mostly 0. */
      readonly database: number;
    }
  | { readonly kind: "sentinels"; readonly sentinels: readonly HostAndPort[]; readonly master: string };

export interface HostAndPort {
  readonly hostname: string;
  readonly port: number;
}

export interface FleetTls {
  /** Authorities as PEM; undefined for the system's. */
  readonly ca?: string;
  readonly caPath?: string;
  /** Name that the certificate must have; undefined for the host. */
  readonly serverName?: string;
  /** Shown to the store, as PEM. */
  readonly clientCertificate?: {
    readonly certPath: string;
    readonly keyPath: string;
    readonly cert: string;
    readonly key: string;
  };
}

export const fleetDefaults = { group: "evenkeel", port: 6379, sentinelPort: 26379 } as const;
