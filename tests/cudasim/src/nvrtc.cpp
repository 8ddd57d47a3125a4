// NVRTC: compiles CUDA C with g++ to a shared object and calls that a cubin.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "device.h"

using std::string;

static string compiler;  // g++ with its options, set from Python

CUDASIM_API void cudasim_set_compiler(const char* command) { compiler = command; }

struct Program {
    string source, cubin, log;
    std::vector<string> expressions;
    std::map<string, string> lowered;  // name expression -> the name to look it up by
};
enum { NVRTC_SUCCESS = 0, NVRTC_ERROR_INVALID_INPUT = 3, NVRTC_ERROR_COMPILATION = 6, NVRTC_ERROR_NOT_SUPPORTED = 12 };

// `extern __shared__ T name[];` becomes a pointer to the launch's dynamic shared memory.
static string with_dynamic_shared(const string& source) {
    static const std::regex declaration(
        R"(extern\s+__shared__\s+(?:__align__\s*\([^)]*\)\s*)?([A-Za-z_][\w:<> ]*?)\s+(\w+)\s*\[\s*\]\s*;)");
    return std::regex_replace(source, declaration, "$1* $2 = ($1*)cudasim_dynamic_shared;");
}

// The names of the kernels. A template is no kernel before it is named with its arguments, by a name expression.
static std::vector<string> kernel_names(const string& source) {
    static const std::regex comment(R"(//[^\n]*|/\*[^]*?\*/)");
    static const std::regex kernel(
        R"((template\s*<[^;{}]*>\s*)?(?:extern\s+"C"\s+)?(?:static\s+)?__global__\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?)"
        R"(void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\()");
    const string code = std::regex_replace(source, comment, " ");
    std::vector<string> names;
    for (std::sregex_iterator match(code.begin(), code.end(), kernel), end; match != end; ++match)
        if (!(*match)[1].matched) names.push_back((*match)[2]);
    return names;
}

static string entry(const string& name, const string& kernel) {
    return "extern \"C\" __attribute__((visibility(\"default\"))) void cudasim_kernel_" + name +
           "(void** arguments) { cudasim_call(" + kernel + ", arguments); }\n";
}

// What a launch of the module's kernels looks for (driver.cpp).
static const char* FLUSHES =
    "extern \"C\" __attribute__((visibility(\"default\"))) const bool cudasim_flushes_denormals = true;\n";

static string read(const string& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

static string quoted(const string& word) { return " '" + std::regex_replace(word, std::regex("'"), "'\\''") + "'"; }

CUDASIM_API int nvrtcCompileProgram(Program* program, int count, const char** options) {
    string text = "#include \"prelude.h\"\n#line 1 \"kernel.cu\"\n" + with_dynamic_shared(program->source) +
                  "\n#line 1 \"cudasim-entries\"\n";
    for (const string& name : kernel_names(program->source)) text += entry(name, name);
    for (const string& expression : program->expressions) {
        const string name = "expression" + std::to_string(program->lowered.size());
        program->lowered[expression] = name;
        text += entry(name, expression);
    }
    for (int i = 0; i < count; ++i)
        if (!strcmp(options[i], "-ftz=true")) text += FLUSHES;
    char folder[] = "/tmp/cudasim-XXXXXX";
    if (!mkdtemp(folder)) return NVRTC_ERROR_COMPILATION;
    const string base = string(folder) + "/kernel";
    std::ofstream(base + ".cpp") << text;
    string command = compiler;
    for (int i = 0; i < count; ++i)
        if (!strncmp(options[i], "-I", 2) || !strncmp(options[i], "-D", 2)) command += quoted(options[i]);
    command += " -o " + base + ".so " + base + ".cpp > " + base + ".log 2>&1";
    const int status = std::system(command.c_str());
    program->log = read(base + ".log");
    if (status == 0) program->cubin = read(base + ".so");
    for (const char* ending : {".cpp", ".so", ".log"}) remove((base + ending).c_str());
    remove(folder);
    return status == 0 ? NVRTC_SUCCESS : NVRTC_ERROR_COMPILATION;
}

CUDASIM_API int nvrtcCreateProgram(Program** program, const char* source, const char*, int headers, const char**,
                                   const char**) {
    if (headers) return NVRTC_ERROR_INVALID_INPUT;
    *program = new Program{source, {}, {}, {}, {}};
    return NVRTC_SUCCESS;
}
CUDASIM_API int nvrtcDestroyProgram(Program** program) {
    delete *program;
    *program = nullptr;
    return NVRTC_SUCCESS;
}
CUDASIM_API int nvrtcAddNameExpression(Program* program, const char* expression) {
    program->expressions.push_back(expression);
    return NVRTC_SUCCESS;
}
CUDASIM_API int nvrtcGetLoweredName(Program* program, const char* expression, const char** name) {
    const auto found = program->lowered.find(expression);
    if (found == program->lowered.end()) return NVRTC_ERROR_INVALID_INPUT;
    *name = found->second.c_str();
    return NVRTC_SUCCESS;
}

static int give(const string& text, size_t* size) { *size = text.size() + 1; return NVRTC_SUCCESS; }
static int give(const string& text, char* out) { memcpy(out, text.c_str(), text.size() + 1); return NVRTC_SUCCESS; }
CUDASIM_API int nvrtcGetProgramLogSize(Program* program, size_t* size) { return give(program->log, size); }
CUDASIM_API int nvrtcGetProgramLog(Program* program, char* log) { return give(program->log, log); }
CUDASIM_API int nvrtcGetCUBINSize(Program* program, size_t* size) { return give(program->cubin, size); }
CUDASIM_API int nvrtcGetCUBIN(Program* program, char* cubin) { return give(program->cubin, cubin); }
// CuPy asks for the PTX of an empty program, to know the compiler by: it is part of the key of its cache.
CUDASIM_API int nvrtcGetPTXSize(Program*, size_t* size) { return give(compiler, size); }
CUDASIM_API int nvrtcGetPTX(Program*, char* ptx) { return give(compiler, ptx); }
CUDASIM_API int nvrtcGetLTOIRSize(Program*, size_t*) { return NVRTC_ERROR_NOT_SUPPORTED; }
CUDASIM_API int nvrtcGetLTOIR(Program*, char*) { return NVRTC_ERROR_NOT_SUPPORTED; }

CUDASIM_API int nvrtcVersion(int* major, int* minor) {
    *major = 13;
    *minor = 2;
    return NVRTC_SUCCESS;
}
CUDASIM_API int nvrtcGetNumSupportedArchs(int* count) {
    *count = 1;
    return NVRTC_SUCCESS;
}
CUDASIM_API int nvrtcGetSupportedArchs(int* architectures) {
    architectures[0] = 86;
    return NVRTC_SUCCESS;
}
CUDASIM_API const char* nvrtcGetErrorString(int status) {
    return status == NVRTC_ERROR_COMPILATION ? "NVRTC_ERROR_COMPILATION" : "NVRTC_ERROR_NOT_SUPPORTED";
}
