<?php
// One plugin's fields only: the others must be left out, for WordPress refuses or drops what nobody has registered.
foreach (['_yoast_wpseo_title', '_yoast_wpseo_metadesc', '_yoast_wpseo_focuskw', 'of_another_plugin'] as $name) {
    register_post_meta('post', $name, [
        'type' => 'string', 'single' => true, 'show_in_rest' => true,
        'auth_callback' => function () { return current_user_can('edit_posts'); },
    ]);
}
