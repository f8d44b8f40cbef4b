/** The templates of `shimmy init`, in the order in which they are listed. A new one is a file of this folder and a line here. */
import type { Template } from "../template.ts";
import { docker } from "./docker.ts";
import { express } from "./express.ts";
import { fastapi } from "./fastapi.ts";
import { fastify } from "./fastify.ts";
import { fly } from "./fly.ts";
import { githubActions } from "./github-actions.ts";
import { haproxy } from "./haproxy.ts";
import { kubernetes } from "./kubernetes.ts";
import { lambda } from "./lambda.ts";
import { launchd } from "./launchd.ts";
import { nginx } from "./nginx.ts";
import { railway } from "./railway.ts";
import { systemd } from "./systemd.ts";

export const TEMPLATES: readonly Template[] = [
  docker,
  kubernetes,
  railway,
  fly,
  lambda,
  systemd,
  launchd,
  nginx,
  haproxy,
  express,
  fastify,
  fastapi,
  githubActions,
];
