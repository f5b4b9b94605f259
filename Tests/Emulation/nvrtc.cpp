// NVIDIA's compiler of CUDA C without a GPU: clang makes a shared object of a kernel on emulated threads (cuda.h), which the emulated
// driver (driver.cpp) loads as a module. Opened as libnvrtc is; EMULATION_FOLDER is where cuda.h stands, EMULATION_COMPILER clang,
// EMULATION_THREADS what threads.cpp was compiled to.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>

#ifdef FLAMBEAU_CHECK_DECLARATIONS
#include <nvrtc.h>
#else
typedef struct _nvrtcProgram *nvrtcProgram;
typedef int nvrtcResult;
#endif

struct _nvrtcProgram {
  std::string source, name, log, code;
};

namespace {

std::string contents(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

/// The kernel, and what the emulated driver looks for: how long its arguments are, and how it is run.
std::string whole(const _nvrtcProgram &program) {
  bool waits = false;
  for (const char *word : {"joined(", "joined<", "joined_in_warp", "__sync", "from_below", "from_lane", "lanes_alike"}) {
    // The prelude, which all kernels have, names them too.
    size_t text = program.source.rfind("struct Arguments {");
    waits = waits || program.source.find(word, text == std::string::npos ? 0 : text) != std::string::npos;
  }
  waits = waits || program.source.find("tile_") != std::string::npos;
  std::string exported = "extern \"C\" __attribute__((visibility(\"default\"), disable_sanitizer_instrumentation)) ";
  return "#include \"cuda.h\"\n" + program.source + "\n" + exported + "const int64_t bytes_" + program.name +
         " = sizeof(Arguments);\n" + exported + "const char *run_" + program.name +
         "(const emulated_launch *launch, const void *bytes, int64_t count) {\n"
         "  if (count > sizeof(Arguments) || count + 8 <= sizeof(Arguments)) return \"the arguments are not as long as their struct\";\n"
         "  Arguments a;\n  memcpy(&a, bytes, count);\n"
         "  return emulation::run(launch, [](const void *a) { " + program.name + "(*(const Arguments *)a); }, &a, " +
         (waits ? "true" : "false") + ");\n}\n";
}

}  // namespace

extern "C" {

#define EXPORTED __attribute__((visibility("default")))

EXPORTED nvrtcResult nvrtcVersion(int *major, int *minor) { return *major = 13, *minor = 0, (nvrtcResult)0; }
EXPORTED nvrtcResult nvrtcGetNumSupportedArchs(int *count) { return *count = 2, (nvrtcResult)0; }
EXPORTED nvrtcResult nvrtcGetSupportedArchs(int *architectures) {
  architectures[0] = 75, architectures[1] = 90;
  return (nvrtcResult)0;
}

EXPORTED nvrtcResult nvrtcCreateProgram(
  nvrtcProgram *program, const char *source, const char *name, int headers, const char *const *, const char *const *) {
  if (headers) return (nvrtcResult)3;
  *program = new _nvrtcProgram{source, name, "", ""};
  return (nvrtcResult)0;
}

EXPORTED nvrtcResult nvrtcDestroyProgram(nvrtcProgram *program) {
  delete *program;
  *program = nullptr;
  return (nvrtcResult)0;
}

EXPORTED nvrtcResult nvrtcCompileProgram(nvrtcProgram program, int, const char *const *) {
  char folder[] = "/tmp/flambeau-nvrtc-XXXXXX";
  if (!mkdtemp(folder)) return (nvrtcResult)1;
  std::string path = folder;
  std::ofstream(path + "/source.cpp") << whole(*program);
  std::string command = EMULATION_COMPILER " -std=c++17 -shared -fPIC -fvisibility=hidden -ffp-contract=off -fno-exceptions @"
                        EMULATION_FOLDER "/kernels.flags -I " EMULATION_FOLDER " " + path + "/source.cpp " EMULATION_THREADS " -o " + path + "/object.so 2> " + path + "/log";
  int status = system(command.c_str());
  program->log = contents(path + "/log");
  program->code = contents(path + "/object.so");
  for (const char *file : {"/source.cpp", "/object.so", "/log"}) unlink((path + file).c_str());
  rmdir(folder);
  return (nvrtcResult)(status ? 6 : 0);
}

EXPORTED nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram program, size_t *bytes) {
  return *bytes = program->log.size() + 1, (nvrtcResult)0;
}
EXPORTED nvrtcResult nvrtcGetProgramLog(nvrtcProgram program, char *log) {
  return memcpy(log, program->log.c_str(), program->log.size() + 1), (nvrtcResult)0;
}
EXPORTED nvrtcResult nvrtcGetCUBINSize(nvrtcProgram program, size_t *bytes) {
  return *bytes = program->code.size(), (nvrtcResult)0;
}
EXPORTED nvrtcResult nvrtcGetCUBIN(nvrtcProgram program, char *code) {
  return memcpy(code, program->code.data(), program->code.size()), (nvrtcResult)0;
}
// PTX is for GPUs that the compiler does not know.
EXPORTED nvrtcResult nvrtcGetPTXSize(nvrtcProgram, size_t *bytes) { return *bytes = 0, (nvrtcResult)0; }
EXPORTED nvrtcResult nvrtcGetPTX(nvrtcProgram, char *) { return (nvrtcResult)0; }
}
