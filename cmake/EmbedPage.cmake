# embed_page(TARGET DIST): compiles every file below DIST into TARGET as page_assets() (src/api/page_assets.h), by the
# assembler's .incbin, which takes no compile time. Without DIST/index.html a page that says how to build it is embedded.
function(embed_page target dist)
  set(out "${CMAKE_BINARY_DIR}/page")
  file(MAKE_DIRECTORY "${out}")
  if(SENTINEL_WEB AND EXISTS "${dist}/index.html")
    file(GLOB_RECURSE files CONFIGURE_DEPENDS RELATIVE "${dist}" "${dist}/*")
    set(root "${dist}")
  else()
    file(WRITE "${out}/empty/index.html"
      "<!doctype html><meta charset=utf-8><title>Sentinel</title><p>The page is not built in. Run <code>./dev build</code>.</p>\n")
    set(files "index.html")
    set(root "${out}/empty")
  endif()
  set(assembly ".section .rodata\n")
  set(declarations "")
  set(table "")
  set(index 0)
  foreach(file IN LISTS files)
    string(APPEND assembly ".global sentinel_page_${index}\n.global sentinel_page_${index}_end\nsentinel_page_${index}:\n.incbin \"${root}/${file}\"\nsentinel_page_${index}_end:\n.byte 0\n")
    string(APPEND declarations "extern const char sentinel_page_${index}[];\nextern const char sentinel_page_${index}_end[];\n")
    string(APPEND table "      {\"/${file}\", text(sentinel_page_${index}, sentinel_page_${index}_end)},\n")
    math(EXPR index "${index} + 1")
  endforeach()
  string(APPEND assembly ".section .note.GNU-stack,\"\",%progbits\n")
  file(CONFIGURE OUTPUT "${out}/page_assets.S" CONTENT "${assembly}" @ONLY)
  file(CONFIGURE OUTPUT "${out}/page_assets.cc" CONTENT "// Made by cmake/EmbedPage.cmake.
#include \"api/page_assets.h\"
extern \"C\" {
${declarations}}
namespace sentinel::api {
static std::string_view text(const char* begin, const char* end) { return {begin, static_cast<size_t>(end - begin)}; }
std::span<const PageAsset> page_assets() {
  static const PageAsset assets[] = {
${table}  };
  return assets;
}
}  // namespace sentinel::api
" @ONLY)
  list(TRANSFORM files PREPEND "${root}/" OUTPUT_VARIABLE inputs)
  set_property(SOURCE "${out}/page_assets.S" PROPERTY OBJECT_DEPENDS "${inputs}")
  target_sources(${target} PRIVATE "${out}/page_assets.S" "${out}/page_assets.cc")
endfunction()
