/** What an image is, as build.ts makes it and container.ts runs it: a root folder and what the Dockerfile said about running it. */
export interface ImageConfig {
  readonly env: Readonly<Record<string, string>>;
  readonly workdir: string;
  /** By number, "1000:1000", as the templates have it; absent: root. */
  readonly user?: string;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly exposed?: readonly number[];
  readonly healthcheck?: Healthcheck;
}

export interface Healthcheck {
  readonly command: readonly string[];
  readonly timeoutMs: number;
  readonly retries: number;
}

export interface Image {
  readonly root: string;
  readonly config: ImageConfig;
  /** For people: what stood for the base image. */
  readonly standsFor: string;
  /** Bytes on the disk: of the whole root, and of what the Dockerfile added to its base. */
  readonly bytes: number;
  readonly addedBytes: number;
}
