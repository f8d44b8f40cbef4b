/*
 * A Vulkan loader that ends the process when a function is called: SHIMMY_TEST_CRASH_AT names it. Everything else goes to the system's
 * loader. Compiled by test/hardware/vulkan.test.ts and put beside libggml-vulkan.so, which looks there first.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void (*function)(void);
typedef function (*lookup)(void *, const char *);

static void *real(const char *name) {
  static void *loader;
  if (!loader) loader = dlopen(REAL_LOADER, RTLD_NOW);
  if (!loader) abort();
  return dlsym(loader, name);
}

static void crash(void) {
  fprintf(stderr, "driver: the device is lost in %s\n", getenv("SHIMMY_TEST_CRASH_AT"));
  abort();
}

static function hooked(const char *name, function found);

function vkGetDeviceProcAddr(void *device, const char *name) {
  return hooked(name, ((lookup)real("vkGetDeviceProcAddr"))(device, name));
}

function vkGetInstanceProcAddr(void *instance, const char *name) {
  return hooked(name, ((lookup)real("vkGetInstanceProcAddr"))(instance, name));
}

static function hooked(const char *name, function found) {
  const char *at = getenv("SHIMMY_TEST_CRASH_AT");
  if (found && at && strcmp(name, at) == 0) return crash;
  if (strcmp(name, "vkGetDeviceProcAddr") == 0) return (function)vkGetDeviceProcAddr;
  if (strcmp(name, "vkGetInstanceProcAddr") == 0) return (function)vkGetInstanceProcAddr;
  return found;
}

void vkCmdCopyBuffer(void *commands, void *from, void *to, unsigned count, const void *regions) {
  ((void (*)(void *, void *, void *, unsigned, const void *))real("vkCmdCopyBuffer"))(commands, from, to, count, regions);
}

void vkGetPhysicalDeviceFeatures2(void *device, void *features) {
  ((void (*)(void *, void *))real("vkGetPhysicalDeviceFeatures2"))(device, features);
}
