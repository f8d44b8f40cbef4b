import { expect, test } from "vitest";
import { npmSettings } from "./npm-settings.ts";

function settings(files: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}) {
  const { registry, ...rest } = npmSettings("@node-llama-cpp", {
    env,
    cwd: "/project",
    home: "/home/me",
    execPath: "/usr/bin/node",
    read: (path) => files[path.replaceAll("\\", "/")],
  });
  return { registry: registry.href, ...rest };
}

test("nothing set: npm's own registry", () => {
  expect(settings({})).toEqual({ registry: "https://registry.npmjs.org/" });
});

test("the variable precedes the project, the project the user, the user the installation", () => {
  const files = {
    "/project/.npmrc": "registry=https://project.example",
    "/home/me/.npmrc": "registry=https://me.example/",
    "/usr/etc/npmrc": "registry=https://all.example/",
  };
  expect(settings(files, { npm_config_registry: "https://variable.example/npm" }).registry).toBe("https://variable.example/npm/");
  expect(settings(files).registry).toBe("https://project.example/");
  expect(settings({ ...files, "/project/.npmrc": "" }).registry).toBe("https://me.example/");
  expect(settings({ "/usr/etc/npmrc": files["/usr/etc/npmrc"] }).registry).toBe("https://all.example/");
  expect(settings({ "/mine": "registry = https://mine.example" }, { NPM_CONFIG_USERCONFIG: "/mine" }).registry).toBe(
    "https://mine.example/",
  );
});

test("a registry of the scope precedes the general one, and has its own credentials", () => {
  const text = [
    "; a comment",
    "registry=https://general.example/",
    "@node-llama-cpp:registry=https://scope.example/npm/mirror/",
    "//general.example/:_authToken=not this",
    `//scope.example/npm/:_authToken=$\{TOKEN}`,
  ].join("\n");
  expect(settings({ "/home/me/.npmrc": text }, { TOKEN: "secret" })).toEqual({
    registry: "https://scope.example/npm/mirror/",
    authorization: "Bearer secret",
  });
});

test("basic credentials are taken too", () => {
  const text = 'registry="http://127.0.0.1:4873/"\n//127.0.0.1:4873/:_auth=bWU6c2VjcmV0';
  expect(settings({ "/home/me/.npmrc": text }).authorization).toBe("Basic bWU6c2VjcmV0");
});

test.each([
  [{ "/home/me/.npmrc": "https-proxy=http://proxy:8080" }, {}, "https-proxy is set"],
  [{ "/home/me/.npmrc": "cafile=/etc/ca.pem" }, {}, "cafile is set"],
  [{}, { HTTPS_PROXY: "http://proxy:8080" }, "HTTPS_PROXY is set"],
  [{}, { npm_config_https_proxy: "http://proxy:8080" }, "https-proxy is set"],
])("what npm must do itself is told (%j %j)", (files, env, why) => {
  expect(settings(files as Record<string, string>, env as Record<string, string>).needsNpm).toBe(why);
});
