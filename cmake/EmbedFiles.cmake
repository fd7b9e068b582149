# embed_files(TARGET PREFIX FOLDER PATTERNS HEADER NAMESPACE STRUCT FUNCTION SLASH)
#
# Compiles every file below FOLDER that matches PATTERNS into TARGET, by the assembler's .incbin, which takes no compile
# time. HEADER declares in NAMESPACE a STRUCT of two string_views (path, content) and
# `std::span<const STRUCT> FUNCTION()`, which is defined here. Paths are relative to FOLDER, with SLASH in front.
function(embed_files target prefix folder patterns header namespace struct function slash)
  set(out "${CMAKE_BINARY_DIR}/embedded")
  file(MAKE_DIRECTORY "${out}")
  list(TRANSFORM patterns PREPEND "${folder}/")
  file(GLOB_RECURSE files CONFIGURE_DEPENDS RELATIVE "${folder}" ${patterns})
  set(symbol "sentinel_${prefix}")
  set(assembly ".section .rodata\n")
  set(declarations "")
  set(table "")
  set(index 0)
  foreach(file IN LISTS files)
    string(APPEND assembly ".global ${symbol}_${index}\n.global ${symbol}_${index}_end\n${symbol}_${index}:\n"
                           ".incbin \"${folder}/${file}\"\n${symbol}_${index}_end:\n.byte 0\n")
    string(APPEND declarations "extern const char ${symbol}_${index}[];\nextern const char ${symbol}_${index}_end[];\n")
    string(APPEND table "      {\"${slash}${file}\", text(${symbol}_${index}, ${symbol}_${index}_end)},\n")
    math(EXPR index "${index} + 1")
  endforeach()
  string(APPEND assembly ".section .note.GNU-stack,\"\",%progbits\n")
  file(CONFIGURE OUTPUT "${out}/${prefix}.S" CONTENT "${assembly}" @ONLY)
  file(CONFIGURE OUTPUT "${out}/${prefix}.cc" CONTENT "// Made by cmake/EmbedFiles.cmake.
#include \"${header}\"
extern \"C\" {
${declarations}}
namespace ${namespace} {
static std::string_view text(const char* begin, const char* end) { return {begin, static_cast<size_t>(end - begin)}; }
std::span<const ${struct}> ${function}() {
  static const ${struct} files[] = {
${table}  };
  return files;
}
}  // namespace ${namespace}
" @ONLY)
  list(TRANSFORM files PREPEND "${folder}/" OUTPUT_VARIABLE inputs)
  set_property(SOURCE "${out}/${prefix}.S" PROPERTY OBJECT_DEPENDS "${inputs}")
  target_sources(${target} PRIVATE "${out}/${prefix}.S" "${out}/${prefix}.cc")
endfunction()
